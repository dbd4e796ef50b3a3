from __future__ import annotations

from typing import Any

from django.db import migrations, models
from django.utils import timezone


def say_for_whom(apps: Any, _schema_editor: Any) -> None:
    """None chosen has meant all of them. Of several maintenances the newest goes on."""
    apps.get_model("tenants", "Announcement").objects.filter(tenants=None).update(for_all=True)
    going_on = apps.get_model("tenants", "Maintenance").objects.filter(ended_at=None).order_by("-started_at", "-pk")
    for row in going_on[1:]:
        row.ended_at = timezone.now()
        row.save(update_fields=["ended_at"])


class Migration(migrations.Migration):
    survived_because = "An announcement that old code makes meanwhile is for nobody until an operator says for whom."
    dependencies = [("tenants", "0021_announcements")]

    operations = [
        migrations.AddField(
            model_name="announcement",
            name="for_all",
            field=models.BooleanField(db_default=False, default=False, verbose_name="for all tenants"),
        ),
        migrations.AlterField(
            model_name="announcement",
            name="tenants",
            field=models.ManyToManyField(
                blank=True,
                help_text="Where it is not for all.",
                related_name="+",
                to="tenants.tenant",
                verbose_name="tenants",
            ),
        ),
        migrations.RunPython(say_for_whom, migrations.RunPython.noop),
    ]
