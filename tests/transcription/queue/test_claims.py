"""Claims that race, with real threads on a real database."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from django.db import connection

from tenants import scope
from tests.conftest import Character, create_member, create_tenant
from tests.transcription.characters import submit
from transcription.queue import claims
from transcription.queue.claims import Claim


@pytest.fixture
def alice(transactional_db: None) -> Character:
    return create_member(create_tenant("Acme", concurrent=2), "alice@acme.example", "owner")


def race(threads: int) -> list[Claim]:
    won: list[Claim] = []
    barrier = threading.Barrier(threads)

    def work(number: int) -> None:
        barrier.wait()
        if claim := claims.claim(f"host/{number}"):
            won.append(claim)
        connection.close()

    runners = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for runner in runners:
        runner.start()
    for runner in runners:
        runner.join()
    return won


def test_racing_workers_never_pass_the_tenants_cap(alice: Character, fox: Path) -> None:
    with scope.bound(alice.tenant.id):
        for _ in range(6):
            submit(alice.actor, fox)
    won = race(6)
    assert 1 <= len(won) <= 2
    assert len({claim.transcription_id for claim in won}) == len(won)
