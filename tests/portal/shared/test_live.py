"""The open page of a link hears of what others change, and of the link's end."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tenants import scope
from tests.conftest import Character
from tests.portal.shared.conftest import Share, strike
from transcription.comments import threads
from transcription.models import Transcription
from transcription.shares import links
from transcription.shares import models as rows
from transcription.transcripts import editing

pytestmark = pytest.mark.django_db


def state(guest: Client, path: str) -> dict[str, Any]:
    answer = guest.get(f"{path}state")
    assert answer.status_code == 200
    return dict(answer.json())


def test_what_the_link_shows_differs_where_its_state_does(
    guest: Client, share: Share, alice: Character, interview: Transcription
) -> None:
    path = share(level="edit", start=4.0, end=8.0)
    before = state(guest, path)
    assert f'data-text-state="{before["text"]}"' in guest.get(path).content.decode()
    assert guest.get(f"{path}comments/").json()["state"] == before["comments"]
    with scope.bound(alice.tenant.id):
        threads.comment(alice.actor, interview.recording_id, 0.0, 2.0, "Before the excerpt")
        assert state(guest, path) == before, "the link doesn't tell of it"
        row = threads.comment(alice.actor, interview.recording_id, 5.0, 6.0, "Within it")
        told = [before, state(guest, path)]
        threads.change(alice.actor, interview.recording_id, row.id, "Within it, too")
        told.append(state(guest, path))
        threads.resolve(alice.actor, interview.recording_id, row.id)
        told.append(state(guest, path))
        editing.edit(alice.actor, interview.id, 1, {"*"}, "Other words.")
        told.append(state(guest, path))
        strike(alice, interview, 9.0, 10.0)
        assert state(guest, path)["struck"] == before["struck"], "the link doesn't tell of it"
        strike(alice, interview, 5.0, 6.0)
        told.append(state(guest, path))
    lines = guest.get(f"{path}lines").json()
    assert "█" in lines["lines"]
    assert (lines["revision"], "voices" in lines) == (told[5]["revision"], True)
    assert len({one["comments"] for one in told[:4]}) == 4
    assert told[4] == told[3] | {"revision": told[3]["revision"] + 1}
    assert told[5]["struck"] != before["struck"]
    assert f'data-struck-state="{told[5]["struck"]}"' in guest.get(path).content.decode()
    assert told[5]["comments"] == before["comments"], "what was said of struck words is not shown any more"


def test_asking_opens_nothing_and_ends_with_the_link(
    guest: Client, share: Share, alice: Character, interview: Transcription
) -> None:
    path, protected = share(), share(password="winter morning")
    assert state(guest, path)["comments"] == ""
    assert guest.get(f"{protected}state").status_code == 403, "its page loads itself, and asks for the password"
    with scope.bound(alice.tenant.id):
        assert set(rows.Share.objects.values_list("openings", flat=True)) == {0}
        links.revoke(alice.actor, rows.Share.objects.get(password="").id)
    assert guest.get(f"{path}state").status_code == 404
    assert guest.head(path).status_code == 404
