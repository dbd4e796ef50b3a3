import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Exists, OuterRef


def drop_those_of_erased_recordings(apps, schema_editor):
    """Across tenants: the historical model has a plain manager."""
    fetches = apps.get_model('fetches', 'Fetch').objects.using(schema_editor.connection.alias)
    recordings = apps.get_model('transcription', 'Recording').objects.using(schema_editor.connection.alias)
    of_erased = ~Exists(recordings.filter(id=OuterRef('recording_id')))
    fetches.exclude(recording_id=None).filter(of_erased).delete()


class Migration(migrations.Migration):
    """The column stays what it is, so an older version that still runs reads and writes it as before."""

    dependencies = [
        ('fetches', '0001_initial'),
        ('transcription', '0003_modes_hotwords_beams'),
    ]

    operations = [
        migrations.RunPython(drop_those_of_erased_recordings, migrations.RunPython.noop),
        migrations.RenameField(model_name='fetch', old_name='recording_id', new_name='recording'),
        migrations.AlterField(
            model_name='fetch',
            name='recording',
            field=models.ForeignKey(blank=True, db_constraint=False, editable=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='transcription.recording', verbose_name='recording'),
        ),
    ]
