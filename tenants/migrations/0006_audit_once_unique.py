from django.db import migrations, models

ONCE = models.UniqueConstraint(condition=models.Q(("once__isnull", False)), fields=("once",), name="audit_once")


def add(apps, schema_editor):
    """On PostgreSQL beside those who write meanwhile: the log is long, and whoever reads a transcript writes to it."""
    entry = apps.get_model("tenants", "AuditEntry")
    if schema_editor.connection.vendor != "postgresql":
        schema_editor.add_constraint(entry, ONCE)
        return
    table = schema_editor.quote_name(entry._meta.db_table)
    # One that was interrupted leaves an index that is not valid.
    schema_editor.execute("DROP INDEX CONCURRENTLY IF EXISTS audit_once")
    schema_editor.execute(f"CREATE UNIQUE INDEX CONCURRENTLY audit_once ON {table} (once) WHERE once IS NOT NULL")


def remove(apps, schema_editor):
    schema_editor.remove_constraint(apps.get_model("tenants", "AuditEntry"), ONCE)


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("tenants", "0005_audit_once")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunPython(add, remove)],
            state_operations=[migrations.AddConstraint(model_name="auditentry", constraint=ONCE)],
        ),
    ]
