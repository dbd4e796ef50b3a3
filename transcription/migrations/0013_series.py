from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tenants", "0004_invitations"),
        ("transcription", "0012_whose_recordings"),
    ]

    operations = [
        migrations.AddField(
            model_name="revision",
            name="series",
            field=models.UUIDField(
                editable=False, help_text="Of revisions of several transcripts that were made together.", null=True
            ),
        ),
        migrations.AddIndex(
            model_name="revision",
            index=models.Index(
                condition=models.Q(("series__isnull", False)),
                fields=["tenant", "series"],
                name="revisions_of_a_series",
            ),
        ),
    ]
