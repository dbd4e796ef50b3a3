from django.db import migrations, models

from transcription.index_operations import AddIndexBesideWriters


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("transcription", "0042_chosen_texts"),
    ]

    operations = [
        AddIndexBesideWriters(
            model_name="recording",
            index=models.Index(
                condition=models.Q(("deleted_at__isnull", True)),
                fields=["tenant", "-created_at", "-id", "folder"],
                name="recordings_newest_by_folder",
            ),
        ),
    ]
