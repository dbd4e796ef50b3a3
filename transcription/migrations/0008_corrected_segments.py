from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def mark_corrected(apps: Apps, _schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Until now whatever a revision had put somewhere, or moved, counted as corrected."""
    apps.get_model("transcription", "Segment")._base_manager.filter(revision__gt=0).update(corrected=True)


class Migration(migrations.Migration):
    dependencies = [
        ("transcription", "0007_known_speakers"),
    ]

    operations = [
        migrations.AddField(
            model_name="segment",
            name="corrected",
            field=models.BooleanField(db_default=False, default=False, help_text="A person wrote its text."),
        ),
        migrations.RunPython(mark_corrected, migrations.RunPython.noop),
    ]
