from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    survived_because = "Old code's page doesn't add a second maintenance either; of two at once one fails."
    dependencies = [("tenants", "0022_for_whom")]

    operations = [
        migrations.AddConstraint(
            model_name="maintenance",
            constraint=models.UniqueConstraint(
                models.ExpressionWrapper(models.Q(ended_at=None), models.BooleanField()),
                name="one_maintenance_at_once",
                condition=models.Q(ended_at=None),
            ),
        ),
    ]
