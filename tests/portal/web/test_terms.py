"""The pages of terms."""

from __future__ import annotations

from collections.abc import Iterable
from html import unescape
from typing import cast

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
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


def sent(client: Client, text: str) -> str:
    file = SimpleUploadedFile("terms.csv", text.encode())
    return unescape(client.post("/terms/import/", {"file": file}, follow=True).content.decode())


def downloaded(client: Client) -> str:
    return b"".join(cast("Iterable[bytes]", client.get("/terms/terms.csv"))).decode("utf-8-sig")


def test_what_was_downloaded_can_be_imported_and_is_no_formula(as_alice: Client, alice: Character) -> None:
    page = sent(
        as_alice, "text,note,active\nKubernetes,Ours,yes,cubernetis,kuber netes\n陈伟,,no,陈维\n=1+1\nR&D;-B,'Ours'\n"
    )
    assert "4 terms added, 0 changed." in page
    text = downloaded(as_alice)
    assert '"Kubernetes","Ours","yes","cubernetis","kuber netes"' in text
    assert '"\'=1+1","","yes"' in text
    assert '"R&D;\'-B","\'Ours\'","yes"' in text
    assert "0 terms added, 4 changed." in sent(as_alice, text)
    assert downloaded(as_alice) == text


def test_a_file_with_a_wrong_line_is_refused_whole_and_says_which(as_alice: Client, alice: Character) -> None:
    sent(as_alice, "Kubernetes,,yes,cubernetis")
    page = sent(as_alice, "Good,,yes\nx,,yes\nOther,,yes,CUBERNETIS\n")
    assert "Line 2: “text” must have from 2 to 60 characters." in page
    page = sent(as_alice, "Good,,yes\nOther,,yes,CUBERNETIS\nGreat,,yes,good\n")
    assert "Line 2: “CUBERNETIS” is a spelling of the term “Kubernetes”." in page
    assert "Line 3: “good” is a spelling of the term “Good”." in page
    assert "There are no terms in it." in sent(as_alice, "text,note,active\n")
    assert "Line 2: “good” stands there twice." in sent(as_alice, "Good\ngood\n")
    with scope.bound(alice.tenant.id):
        assert list(Term.objects.values_list("text", flat=True)) == ["Kubernetes"]
