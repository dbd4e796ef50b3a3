from django.db import migrations, models
from django.db.models.functions import Lower, Trim


def lower_case(apps, schema_editor):
    """An address that another account has in lower case already is left as it is: nobody signs in with it."""
    users = apps.get_model("tenants", "User").objects
    taken = set(users.values_list("email", flat=True))
    for user in users.exclude(email=Lower(Trim("email"))):
        lower = user.email.strip().lower()
        if lower not in taken:
            taken.add(lower)
            users.filter(pk=user.pk).update(email=lower)


class Migration(migrations.Migration):
    dependencies = [("tenants", "0008_makers_of_keys")]

    operations = [
        migrations.CreateModel(
            name="Attempts",
            fields=[
                ("key", models.CharField(max_length=64, primary_key=True, serialize=False)),
                (
                    "empty_at",
                    models.FloatField(
                        db_index=True, help_text="When the bucket has run dry, in seconds of Unix time."
                    ),
                ),
            ],
            options={"verbose_name": "attempts", "verbose_name_plural": "attempts"},
        ),
        migrations.RunPython(lower_case, migrations.RunPython.noop),
    ]
