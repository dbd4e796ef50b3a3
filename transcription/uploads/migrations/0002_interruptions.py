from django.db import migrations, models


class Migration(migrations.Migration):
    """With a default in the database, so an older version that still runs opens uploads as before."""

    dependencies = [
        ('uploads', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='upload',
            name='interruptions',
            field=models.PositiveIntegerField(db_default=0, default=0, editable=False, help_text='Of the tries, those in which somebody killed ffmpeg.'),
        ),
    ]
