"""The index that PostgreSQL looks tokens up in. SQLite has none: it reads the tenant's own entries.

Without `fastupdate`, since a search would read the list of pending updates from end to end.
"""

from django.db import migrations

NAME = "entries_by_token"


def make(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        table = apps.get_model("transcription", "SearchEntry")._meta.db_table
        schema_editor.execute(f"CREATE INDEX {NAME} ON {table} USING gin (tokens) WITH (fastupdate = off)")


def drop(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(f"DROP INDEX {NAME}")


class Migration(migrations.Migration):

    dependencies = [("transcription", "0001_initial")]
    operations = [migrations.RunPython(make, drop)]
