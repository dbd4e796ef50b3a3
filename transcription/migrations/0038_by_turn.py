from django.db import migrations, models

from transcription.index_operations import AddIndexBesideWriters


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("tenants", "0024_people_addresses"),
        ("transcription", "0037_processes"),
    ]

    operations = [
        AddIndexBesideWriters(
            model_name="transcription",
            index=models.Index(
                condition=models.Q(("status", "queued")), fields=["created_at", "id"], name="transcriptions_by_turn"
            ),
        ),
    ]
