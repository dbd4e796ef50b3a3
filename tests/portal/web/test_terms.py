"""The pages of terms."""

from __future__ import annotations

from html import unescape

import pytest
from django.test import Client

from tenants import scope
from tenants.models import AuditEntry
from tests.conftest import Character
from transcription.models import Term

pytestmark = pytest.mark.django_db
KUBERNETES = {"text": "Kubernetes", "spellings": "cubernetis\n\n kuber  netes \r\n", "note": "", "is_active": "on"}


def test_alice_adds_changes_and_deletes_a_term(as_alice: Client, alice: Character) -> None:
    text = unescape(as_alice.post("/terms/", KUBERNETES, follow=True).content.decode())
    assert "cubernetis · kuber netes" in text
    with scope.bound(alice.tenant.id):
        made = Term.objects.get()
    assert "kuber netes</textarea>" in as_alice.get(f"/terms/{made.id}/").content.decode()
    as_alice.post(f"/terms/{made.id}/", {"text": "Kubernetes", "spellings": "kuber"})
    with scope.bound(alice.tenant.id):
        made.refresh_from_db()
        assert (made.spellings, made.is_active) == (["kuber"], False)
        as_alice.post(f"/terms/{made.id}/delete/")
        assert not Term.objects.exists()
        told = AuditEntry.objects.filter(action__startswith="term.").order_by("id")
        assert list(told.values_list("action", flat=True)) == ["term.created", "term.changed", "term.deleted"]


def test_a_term_that_is_there_is_refused_beside_its_field(as_alice: Client) -> None:
    as_alice.post("/terms/", KUBERNETES)
    text = unescape(as_alice.post("/terms/", KUBERNETES | {"text": "KUBERNETES"}).content.decode())
    assert "There is such a term: “Kubernetes”." in text
    assert 'id="id_text_error"' in text


def test_bob_sees_terms_and_has_no_form(as_alice: Client, bob: Character, client: Client) -> None:
    as_alice.post("/terms/", KUBERNETES)
    client.force_login(bob.user)
    text = client.get("/terms/").content.decode()
    assert "Kubernetes" in text
    assert 'name="spellings"' not in text
