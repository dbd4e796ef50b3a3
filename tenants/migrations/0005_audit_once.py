from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tenants", "0004_key_scopes_audit")]

    operations = [
        migrations.AddField(
            model_name="auditentry",
            name="once",
            field=models.UUIDField(
                editable=False, help_text="Names the time in which no second entry is like it.", null=True
            ),
        ),
        migrations.AlterField(
            model_name="auditentry",
            name="actor_kind",
            field=models.CharField(
                choices=[
                    ("member", "Member"),
                    ("key", "API key"),
                    ("operator", "Operator"),
                    ("system", "The portal itself"),
                    ("unknown", "Somebody unknown"),
                ],
                max_length=8,
                verbose_name="kind of actor",
            ),
        ),
    ]
