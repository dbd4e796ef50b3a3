from django.db import migrations, models


class Migration(migrations.Migration):
    """Tickets of before, a minute old at most, name no secret and open nothing."""

    dependencies = [
        ('tickets', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='socketticket',
            name='secret_prefix',
            field=models.CharField(blank=True, db_default='', help_text='Of the secret that asked for it; without one it is void.', max_length=16),
        ),
    ]
