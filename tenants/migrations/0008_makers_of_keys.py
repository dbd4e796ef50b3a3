from django.db import migrations, models


def note_makers(apps, schema_editor):
    ApiKey, User = apps.get_model("tenants", "ApiKey"), apps.get_model("tenants", "User")
    maker = User.objects.filter(pk=models.OuterRef("created_by")).values("email")
    ApiKey.objects.exclude(created_by=None).update(made_by=models.Subquery(maker))


class Migration(migrations.Migration):

    dependencies = [
        ('tenants', '0007_tenant_deletion'),
    ]

    operations = [
        migrations.AddField(
            model_name='apikey',
            name='kept_at',
            field=models.DateTimeField(editable=False, help_text='When somebody decided that it outlives its maker’s leaving.', null=True, verbose_name='kept'),
        ),
        migrations.AddField(
            model_name='apikey',
            name='made_by',
            field=models.CharField(blank=True, db_default='', editable=False, help_text='Also once they are gone.', max_length=254, verbose_name='made by'),
        ),
        migrations.RunPython(note_makers, migrations.RunPython.noop),
    ]
