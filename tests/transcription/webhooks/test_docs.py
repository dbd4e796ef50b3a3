"""What the documentation says of webhooks is what there is."""

from __future__ import annotations

from django.conf import settings

from portal.api.native import fetches, webhooks
from transcription.webhooks.models import EventType


def test_every_event_and_address_is_documented() -> None:
    text = (settings.BASE_DIR / "docs" / "webhooks.md").read_text()
    addresses = [str(one.pattern) for one in (*webhooks.urls, *fetches.urls)]
    plain = [
        one.replace("<uuid:endpoint_id>", "{id}")
        .replace("<uuid:delivery_id>", "{delivery}")
        .replace("<uuid:fetch_id>", "{id}")
        for one in addresses
    ]
    assert [one for one in plain if f"/api/v1/{one}`" not in text] == []
    assert [kind for kind in EventType.values if f"`{kind}`" not in text] == []
