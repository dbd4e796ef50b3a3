"""Claims that race, with real threads on a real database."""

from __future__ import annotations

from pathlib import Path

import pytest

from tenants import scope
from tests.conftest import Character, create_member, create_tenant
from tests.race import at_once
from tests.transcription.characters import submit
from transcription.queue import claims
from transcription.queue.claims import Claim


@pytest.fixture
def alice(transactional_db: None) -> Character:
    return create_member(create_tenant("Acme", concurrent=2), "alice@acme.example", "owner")


def claims_at_once(count: int) -> list[Claim]:
    """Returns the claims of those of so many workers that got one."""
    won = at_once(count, lambda number: claims.claim(f"host/{number}"))
    return [claim for claim in won if claim is not None]


def test_racing_workers_never_pass_the_tenants_cap(alice: Character, fox: Path) -> None:
    with scope.bound(alice.tenant.id):
        for _ in range(6):
            submit(alice.actor, fox)
    won = claims_at_once(6)
    assert 1 <= len(won) <= 2
    assert len({claim.transcription_id for claim in won}) == len(won)
