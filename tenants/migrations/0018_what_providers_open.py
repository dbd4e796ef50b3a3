"""What an OpenID provider opened ends with it, and operators say for which domains one speaks.

Ties to providers from before are dropped, as nobody knows what they were made by: the next sign-in makes them anew.
"""

import uuid

import django.db.models.deletion
from django.db import migrations, models


def untie(apps, schema_editor):
    apps.get_model("tenants", "Identity")._base_manager.all().delete()


class Migration(migrations.Migration):

    dependencies = [
        ('tenants', '0017_directories'),
    ]

    operations = [
        migrations.AddField(
            model_name='alloweddomain',
            name='by_provider',
            field=models.BooleanField(db_default=False, default=False, help_text='It signs in whomever it likes with an address of the domain, members and owners included. Tick it only once it is certain that the domain is this organisation’s.', verbose_name='the organisation’s OpenID provider speaks for it'),
        ),
        migrations.AlterField(
            model_name='alloweddomain',
            name='by_mail',
            field=models.BooleanField(db_default=True, default=True, help_text='Whoever gets mail at an address of the domain joins with the role of newcomers.', verbose_name='joined by a mailed link'),
        ),
        migrations.AddField(
            model_name='identityprovider',
            name='generation',
            field=models.UUIDField(default=uuid.uuid4, editable=False, help_text='Another one, and whoever signed in with it is signed out.'),
        ),
        migrations.AddField(
            model_name='identityprovider',
            name='required_claim',
            field=models.CharField(blank=True, db_default='', default='', help_text='A claim and its value, as in tid = 1b2c3d, without which nobody is signed in: for an issuer that signs for other organisations, too. Google’s accounts need an hd of your domains anyway.', max_length=200, verbose_name='claim that people must have'),
        ),
        migrations.RunPython(untie, migrations.RunPython.noop),
        migrations.AddField(
            model_name='identity',
            name='is_verified',
            field=models.BooleanField(verbose_name='the provider called the address verified'),
        ),
        migrations.AddField(
            model_name='identity',
            name='provider',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='tenants.identityprovider', verbose_name='OpenID provider'),
        ),
    ]
