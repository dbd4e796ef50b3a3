from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("transcription", "0039_mailboxes")]

    operations = [
        migrations.AddField(
            model_name="comment",
            name="link",
            field=models.UUIDField(
                editable=False, help_text="The id of the share link that a guest wrote by.", null=True
            ),
        ),
    ]
