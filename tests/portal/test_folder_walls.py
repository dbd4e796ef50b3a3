"""Nobody sees, on any way, what is in a folder that no rule lets them see: it is as if it weren't there.

Erin and Victor are editors of Acme. Victor is a viewer of the folder that Alice's recording is in, Erin is not in it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import Http404
from django.test import Client, RequestFactory

from portal.http.tus import open_chunk
from tenants import scope
from tenants.access import Actor
from tenants.models import AuditEntry, KeyScope, Role, Tenant
from tests.conftest import Character, create_member
from tests.portal.api import test_scopes as programs
from tests.portal.api.characters import bearer, send
from tests.portal.web import test_permissions as pages
from tests.portal.web.conftest import make_transcription
from tests.transcription.folders.test_folders import key_of
from transcription import search, tenant_lock
from transcription.comments import mentions, threads
from transcription.errors import InvalidOption, Refused
from transcription.fetches import access as fetches
from transcription.folders import folders
from transcription.intake import idempotency
from transcription.intake.request import CallContext
from transcription.library import recordings, tags
from transcription.library.filters import Filter
from transcription.models import Comment, FolderRole, IdempotencyKey, Mention, Recording, Speaker, Term, Transcription
from transcription.options.options import TranscriptionOptions
from transcription.shares import links
from transcription.shares.models import Share
from transcription.transcripts import editing, series, terms
from transcription.transcripts.series import Outcome, Target
from transcription.transcripts.substitution import checked_search
from transcription.transcripts.terms import Correction
from transcription.uploads import access as uploads
from transcription.uploads import creation
from transcription.uploads.creation import Plan
from transcription.voices import enrolment

pytestmark = pytest.mark.django_db
SECRET = "Takeover"
PAGES = [
    (method, url, roles)
    for method, url, roles in pages.TABLE
    if any(name in url for name in ("{recording}", "{transcription}", "{share}", "{video}"))
]
ROUTES = [
    (method, path, body)
    for method, path, body, _statuses in programs.TABLE
    if any(name in path for name in ("{recording}", "{transcription}", "{share}", "{video}"))
]


@pytest.fixture
def erin(acme: Tenant) -> Character:
    return create_member(acme, "erin@acme.example", Role.EDITOR)


@pytest.fixture
def victor(acme: Tenant) -> Character:
    return create_member(acme, "victor@acme.example", Role.EDITOR)


@pytest.fixture
def hidden(alice: Character, victor: Character) -> Transcription:
    row = make_transcription(alice.tenant, f"{SECRET}.mp3", text=SECRET)
    with scope.bound(alice.tenant.id):
        folder = folders.create(alice.actor, "Board of directors", restricted=True)
        folders.set_member(alice.actor, folder.id, victor.user.email, FolderRole.VIEWER)
        Recording.objects.filter(id=row.recording_id).update(folder=folder)
        search.index_recording(row.recording_id)
        tags.put(alice.actor, row.recording_id, "Merger")
    return row


def nobodys(url: str) -> str:
    return programs.about_nothing(url) if "{" in url else url


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
@pytest.mark.parametrize(("method", "url", "roles"), PAGES)
def test_a_page_is_missing_to_who_is_not_in_the_folder_and_only_read_by_its_viewers(
    method: str,
    url: str,
    roles: dict[str, int],
    hidden: Transcription,
    erin: Character,
    victor: Character,
    client: Client,
) -> None:
    address = pages.address_of(url, hidden)
    client.force_login(erin.user)
    unknown = client.generic(method, nobodys(url.replace("srt", "txt")))
    assert client.generic(method, address).status_code == (403 if roles[Role.EDITOR] == 403 else 404)
    assert unknown.status_code in (403, 404)
    client.force_login(victor.user)
    assert client.generic(method, address).status_code == roles[Role.VIEWER]


def test_the_menu_of_a_row_offers_what_one_may_do_in_its_folder(
    hidden: Transcription, alice: Character, victor: Character, client: Client
) -> None:
    for one, may in ((alice, True), (victor, False)):
        client.force_login(one.user)
        menu = client.get(f"/recordings/{hidden.recording_id}/menu/").content.decode()
        assert ("Rename…" in menu, "Delete" in menu, "Subtitles" in menu) == (may, may, True)


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
def test_what_is_in_a_private_folder_is_missing_to_every_key_and_what_is_in_none_to_one_of_some_folders(
    method: str, path: str, body: Any, hidden: Transcription, alice: Character, client: Client
) -> None:
    address = programs.address_of(path, hidden, alice)
    with scope.bound(alice.tenant.id):
        Recording.objects.filter(id=hidden.recording_id).update(folder=folders.private(alice.actor))
    key = bearer(alice) | programs.AGREED
    answers = [send(client, method, one, key, body) for one in (address, programs.about_nothing(path))]
    assert [answer.status_code for answer in answers] == [404, 404], answers[0].content
    with scope.bound(alice.tenant.id):
        Recording.objects.filter(id=hidden.recording_id).update(folder=None)
        own = [str(folders.create(alice.actor, "Press").id)]
    key = bearer(alice, KeyScope.WRITE, folders=own) | programs.AGREED
    answers = [send(client, method, one, key, body) for one in (address, programs.about_nothing(path))]
    codes = {answer.status_code for answer in answers}
    assert codes in ({403}, {404}), answers[0].content


LISTS = (
    "/recordings/?by=all",
    "/recordings/rows/?by=all",
    f"/recordings/rows/?by=all&search={SECRET}",
    "/recordings/substitutions/?by=all",
    "/tags/",
    "/folders/",
    "/folders/names.json?q=board",
    "/usage/",
    "/terms/",
)


def test_no_list_has_it_but_for_who_sees_it(
    hidden: Transcription, alice: Character, victor: Character, erin: Character, bob: Character, client: Client
) -> None:
    folder = str(Recording.objects.model._base_manager.get(id=hidden.recording_id).folder_id)
    for who, is_told in ((alice, True), (victor, True), (erin, False), (bob, False)):
        client.force_login(who.user)
        bodies = {url: client.get(url).content.decode() for url in (*LISTS, f"/recordings/?by=all&folder={folder}")}
        assert (SECRET in bodies[LISTS[0]]) == (SECRET in bodies[LISTS[1]]) == is_told
        assert (f"row-{hidden.recording_id}" in bodies[LISTS[2]]) == is_told
        told = {url for url, body in bodies.items() if "Board of directors" in body or f"{SECRET}.mp3" in body}
        assert bool(told) == is_told
        assert ("1 recording<" in bodies["/tags/"]) == is_told
        assert client.get(f"/folders/{folder}/").status_code == (200 if is_told else 404)


def test_search_zips_and_bulk_actions_pass_it_over(
    hidden: Transcription, erin: Character, victor: Character, client: Client
) -> None:
    def acted(who: Character, **body: Any) -> Any:
        client.force_login(who.user)
        sent = {"ids": [str(hidden.recording_id)], **body}
        return client.post("/recordings/many/", sent, content_type="application/json").json()

    for action in ({"action": "tag", "name": "Mine"}, {"action": "move", "folder": "none"}, {"action": "delete"}):
        assert acted(erin, **action)["done"] == acted(erin, **action)["failed"] == []
        assert acted(victor, **action)["done"] == []
        assert [one["name"] for one in acted(victor, **action)["failed"]] == [f"{SECRET}.mp3"]
    with scope.bound(erin.tenant.id):
        for who, hits in ((erin, 0), (victor, 1)):
            found, _cursor = search.page(who.actor, search.terms_of(SECRET), None, 10)
            assert len(found) == hits


def test_a_text_is_not_reused_from_where_one_does_not_see_it(
    hidden: Transcription, erin: Character, victor: Character
) -> None:
    with scope.bound(erin.tenant.id):
        copy = make_transcription(erin.tenant, "copy.mp3", reused_from=hidden)
        assert recordings.source_of(erin.actor, copy) is None
        assert recordings.source_of(victor.actor, copy) == hidden.recording


def test_an_idempotency_key_of_a_hidden_recording_is_one_that_was_used(
    hidden: Transcription, erin: Character, victor: Character
) -> None:
    with scope.bound(erin.tenant.id):
        IdempotencyKey.objects.create(tenant=erin.tenant, key="k", request_sha256="d", transcription=hidden)
        assert idempotency.find(victor.actor, "k", "d") == hidden
        with pytest.raises(Refused, match="another request"):
            idempotency.find(erin.actor, "k", "d")


def test_only_who_sees_it_is_told_of_a_mention(
    hidden: Transcription, alice: Character, erin: Character, victor: Character
) -> None:
    with scope.bound(alice.tenant.id):
        text = f"@{erin.user.email} @{victor.user.email}"
        threads.comment(alice.actor, hidden.recording_id, 0.0, 1.0, text)
        assert [one.user for one in Mention.objects.all()] == [victor.user]
        hidden.recording.refresh_from_db()
        offered = [email for email, _name in mentions.people(alice.actor, hidden.recording)]
        assert erin.user.email not in offered
        open_one = make_transcription(alice.tenant)
        assert erin.user.email in [email for email, _name in mentions.people(alice.actor, open_one.recording)]


def test_what_is_on_its_way_into_a_folder_is_seen_by_who_sees_the_folder(
    hidden: Transcription, alice: Character, erin: Character
) -> None:
    folder = "Board of directors"
    with scope.bound(alice.tenant.id):
        sent = creation.open_on_disk(alice.actor, Plan(name=f"{SECRET}.wav", length=1000, folder=folder))
        call, url = CallContext(endpoint="", key=""), f"https://acme.example/{SECRET}.mp3"
        options = TranscriptionOptions.checked()
        ordered = fetches.create(alice.actor, url, "", options, call, folder).fetch
        assert sent.folder_id == ordered.folder_id is not None
        assert list(uploads.uploads(alice.actor)) == [sent]
        assert list(fetches.fetches(alice.actor)) == [ordered]
        assert not uploads.uploads(erin.actor).exists()
        assert not fetches.fetches(erin.actor).exists()


def test_links_are_their_folders(hidden: Transcription, alice: Character, erin: Character, victor: Character) -> None:
    with scope.bound(alice.tenant.id):
        share = links.create(alice.actor, hidden.recording_id, links.LinkOptions()).share
        for who, refusal in ((erin, Http404), (victor, PermissionDenied)):
            with pytest.raises(refusal):
                links.get(who.actor, share.id)


def test_who_only_reads_in_a_folder_stops_nothing_on_its_way_into_it(
    hidden: Transcription, alice: Character, victor: Character, client: Client
) -> None:
    with scope.bound(alice.tenant.id):
        sent = creation.open_on_disk(alice.actor, Plan(name="a.wav", length=1000, folder="Board of directors"))
        call, url = CallContext(endpoint="", key=""), "https://acme.example/a.mp3"
        ordered = fetches.create(alice.actor, url, "", TranscriptionOptions.checked(), call, "Board of directors").fetch
        assert fetches.fetch(victor.actor, ordered.id) == ordered
        with pytest.raises(PermissionDenied, match="folder"):
            fetches.cancel(victor.actor, ordered.id)
        assert fetches.cancel(alice.actor, ordered.id)[1]
    client.force_login(victor.user)
    address = f"/api/v1/uploads/{sent.id}"
    assert client.get(address).status_code == 200
    assert client.delete(address, headers={"Tus-Resumable": "1.0.0"}).status_code == 403
    sending = {"tus-resumable": "1.0.0", "upload-offset": "0", "content-type": "application/offset+octet-stream"}
    headers = [(name.encode(), value.encode()) for name, value in sending.items()]
    request = RequestFactory().patch(address)
    request.csrf_processing_done = True  # type: ignore[attr-defined]
    with pytest.raises(PermissionDenied, match="folder"):
        open_chunk({"type": "http", "path": address, "headers": headers}, victor.actor, request)


def test_a_replacement_tells_who_only_reads_in_a_folder_nothing_of_what_is_struck(
    hidden: Transcription, victor: Character
) -> None:
    with scope.bound(victor.tenant.id):
        hidden.segments.update(text="Zeppelin")
        Recording.objects.filter(id=hidden.recording_id).update(struck=[[0.0, 9999.0]])
        targets = [Target(hidden.id, hidden.revision)]
        told = [series.replace(victor.actor, checked_search(w, "Y"), targets, uuid4()) for w in ("Zeppelin", "Qqq")]
        assert told == [[(hidden.id, Outcome.GONE)]] * 2


def test_links_in_a_private_folder_are_not_ended_by_a_key(hidden: Transcription, alice: Character) -> None:
    with scope.bound(alice.tenant.id):
        links.create(alice.actor, hidden.recording_id, links.LinkOptions())
        Recording.objects.filter(id=hidden.recording_id).update(folder=folders.private(alice.actor))
        assert links.revoke_of(key_of(alice.tenant, KeyScope.ADMIN), alice.user.email) == 0
        assert links.revoke_of(alice.actor, alice.user.email) == 1


def test_what_is_moved_out_of_sight_meanwhile_is_left_alone(
    hidden: Transcription, erin: Character, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = Recording.objects.model._base_manager.filter(id=hidden.recording_id)
    board, one = rows.get().folder, hidden.recording_id
    for act in (
        lambda: recordings.delete(erin.actor, one),
        lambda: recordings.erase(erin.actor, one),
        lambda: threads.comment(erin.actor, one, 0.0, 1.0, "Well"),
        lambda: links.create(erin.actor, one, links.LinkOptions()),
    ):
        rows.update(folder=None)
        with scope.bound(erin.tenant.id), monkeypatch.context() as patch:
            for name in ("lock", "lock_for_adding"):
                really = getattr(tenant_lock, name)
                patch.setattr(tenant_lock, name, lambda tenant, lock=really: (rows.update(folder=board), lock(tenant)))
            with pytest.raises(Http404):
                act()
    with scope.bound(erin.tenant.id):
        assert rows.get().deleted_at is None
        assert not Comment.objects.filter(recording=one).exists()
        assert not Share.objects.filter(recording=one).exists()


def test_a_tag_that_others_need_is_only_taken_off_what_one_sees(
    hidden: Transcription, alice: Character, erin: Character, client: Client
) -> None:
    with scope.bound(erin.tenant.id):
        own = make_transcription(erin.tenant)
        tag = tags.put(erin.actor, own.recording_id, "Merger")
        refusals: list[Callable[[], object]] = [
            lambda: tags.change(erin.actor, tag.id, "Lunch"),
            lambda: tags.merge(erin.actor, tag.id, tags.create(erin.actor, "Lunch")[0].id),
        ]
        for refused in refusals:
            with pytest.raises(InvalidOption, match="can’t correct"):
                refused()
        client.force_login(erin.user)
        client.post(f"/tags/{tag.id}/delete/")
        assert tags.get(alice.actor, tag.id).name == "Merger"
        tags.take(erin.actor, own.recording_id, tag.id)
        assert [one.recording for one in tag.taggings.all()] == [hidden.recording]
        tags.delete(alice.actor, tag.id)


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
def test_a_folder_s_terms_are_seen_by_who_sees_it_and_changed_by_who_may_correct_what_is_in_it(
    hidden: Transcription, alice: Character, erin: Character, victor: Character, client: Client
) -> None:
    with scope.bound(alice.tenant.id):
        board = folders.visible(alice.actor).get()
        term = terms.create(alice.actor, "Project Zeppelin", ["zepelin"], folder=board)
        for who in (erin, victor):
            with pytest.raises((Http404, PermissionDenied)):
                terms.create(who.actor, "Mine", folder=board)
    of_all = {"/terms/", "/terms/terms.csv", "/recordings/substitutions/?terms=1&by=all", "/folders/"}
    pages = ["", "terms/", "terms/terms.csv"]
    for who, reads, changes in ((alice, 200, 200), (victor, 200, 403), (erin, 404, 404)):
        client.force_login(who.user)
        for page in pages:
            answer = client.get(f"/folders/{board.id}/{page}")
            assert answer.status_code == reads, (who.user, page)
        body = "".join(told(client.get(one)) for one in of_all)
        assert "Zeppelin" not in body
        assert client.get(f"/terms/{term.id}/").status_code == changes
        if who is not alice:
            mine = {"text": "Mine", "spellings": "", "note": ""}
            assert client.post(f"/folders/{board.id}/terms/", mine).status_code == changes
            file = SimpleUploadedFile("terms.csv", b"Mine,,yes")
            assert client.post(f"/folders/{board.id}/terms/import/", {"file": file}).status_code == changes
            assert client.post(f"/terms/{term.id}/delete/").status_code == changes
        found = client.post("/recordings/substitutions/hits/", {"terms": True}, content_type="application/json").json()
        assert found["found"] == []
    with scope.bound(alice.tenant.id):
        hidden.segments.update(text="A zepelin rises.")
        Transcription.objects.filter(id=hidden.id).update(text="A zepelin rises.")
        own = make_transcription(alice.tenant, text="A zepelin falls.")
        tags_of = {who.user: Correction.in_sight(who.actor).tag for who in (alice, erin, victor)}
        assert tags_of[erin.user] == tags_of[victor.user] != tags_of[alice.user]
        for who, hits in ((alice, [hidden.id]), (erin, []), (victor, [])):
            found_in = series.preview(who.actor, Filter(), Correction.in_sight(who.actor), original=True).found
            assert [one.row.id for one in found_in] == hits, own
        told_of = AuditEntry.objects.filter(action__startswith="term.").values_list("details", flat=True)
        assert list(told_of) == [{"folder": str(board.id)}]
        terms.delete(alice.actor, term.id)
        own_place = folders.private(victor.actor)
        theirs = terms.create(victor.actor, "Mine", folder=own_place)
        for stranger in (erin.actor, key_of(alice.tenant, KeyScope.ADMIN)):
            with pytest.raises(Http404):
                terms.get(stranger, theirs.id)
        key = bearer(alice) | programs.AGREED
        addresses = ("", f"/{theirs.id}", f"?folder={own_place.id}")
        answers = [client.get(f"/api/v1/terms{one}", headers=key) for one in addresses]
        assert [answer.status_code for answer in answers] == [200, 404, 400]
        assert answers[0].json() == {"results": []}
        folders.delete(alice.actor, own_place.id)
        assert not Term.objects.filter(id=theirs.id).exists()


def told(answer: Any) -> str:
    return (b"".join(answer) if answer.streaming else answer.content).decode()


def test_who_is_taken_out_of_a_folder_loses_the_links_to_what_is_in_it(
    hidden: Transcription, alice: Character, victor: Character, client: Client
) -> None:
    with scope.bound(alice.tenant.id):
        board = folders.visible(alice.actor).get()
        client.force_login(alice.user)
        for sent, works in (({"links": "keep"}, True), ({}, False)):
            folders.set_member(alice.actor, board.id, victor.user.email, FolderRole.EDITOR)
            share = links.create(victor.actor, hidden.recording_id, links.LinkOptions(label="For the press")).share
            assert "For the press" in client.get(f"/folders/{board.id}/").content.decode()
            client.post(f"/folders/{board.id}/members/{victor.member.id}/remove/", sent)
            assert (links.get(alice.actor, share.id).revoked_at is None) == works


def test_a_folder_keeps_a_manager(alice: Character, erin: Character, victor: Character) -> None:
    with scope.bound(alice.tenant.id):
        board = folders.create(erin.actor, "Board", restricted=True)
        refusals: list[Callable[[], object]] = [
            lambda: folders.remove_member(erin.actor, board.id, erin.member.id),
            lambda: folders.set_member(erin.actor, board.id, erin.user.email, FolderRole.EDITOR),
        ]
        for refused in refusals:
            with pytest.raises(InvalidOption, match="keep a manager"):
                refused()
        folders.set_member(erin.actor, board.id, victor.user.email, FolderRole.MANAGER)
        folders.remove_member(erin.actor, board.id, erin.member.id)
        folders.remove_member(alice.actor, board.id, victor.member.id)


def test_names_in_transcripts_are_counted_where_one_sees_them(
    hidden: Transcription, erin: Character, victor: Character
) -> None:
    with scope.bound(erin.tenant.id):
        for index, who in enumerate((erin, victor)):
            Speaker.objects.create(
                tenant=erin.tenant, transcription=hidden, index=index, name="Me", recognised=who.member
            )
        assert [enrolment.named_transcripts(who.actor) for who in (erin, victor)] == [0, 1]


def test_a_series_is_undone_past_what_was_taken_from_one_meanwhile(
    hidden: Transcription, victor: Character, monkeypatch: pytest.MonkeyPatch
) -> None:
    with scope.bound(victor.tenant.id):
        rows = [make_transcription(victor.tenant) for _number in range(2)]
        board, number = Recording.objects.get(id=hidden.recording_id).folder, uuid4()
        found = checked_search("morning", "evening")
        series.replace(victor.actor, found, [Target(row.id, 0) for row in rows], number)
        moved = list[object]()

        def reverted_after_a_move(actor: Actor, transcription_id: UUID, *rest: Any) -> object:
            if not moved:
                moved.append(Recording.objects.filter(transcriptions=transcription_id).update(folder=board))
            return editing.revert(actor, transcription_id, *rest)

        monkeypatch.setattr(series, "revert", reverted_after_a_move)
        assert series.undo(victor.actor, number) == series.Undone(1, 0)
