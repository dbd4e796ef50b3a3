"""Every page keeps the promises of the content security policy and of the language."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client
from django.utils.translation import override

from portal.web.strings import page_strings
from tenants import api_keys, scope
from tests.conftest import Character
from tests.portal.web.conftest import Make
from transcription.models import Status


class Page(HTMLParser):
    """Collects what a strict policy would block, and ids used twice."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.ids: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        self.faults += [f"{tag} {name}" for name in found if name.startswith("on") or name == "style"]
        if tag == "style" or (tag == "script" and "src" not in found and found.get("type") != "application/json"):
            self.faults.append(f"inline {tag}")
        if (identity := found.get("id")) is not None:
            self.ids.append(identity)


@pytest.fixture
def pages(alice: Character, make: Make) -> list[str]:
    rows = [make(alice.tenant, f"{status}.mp3", status) for status in Status.values]
    with scope.bound(alice.tenant.id):
        key = api_keys.rotate(alice.actor, api_keys.keys(alice.actor)[0].id)[0]
    return [
        *(f"/recordings/{row.recording_id}/{part}" for row in rows for part in ("", "menu/")),
        *(
            "/recordings/",
            "/recordings/?search=nothing",
            "/recordings/rows/",
            "/usage/",
            "/keys/",
            "/terms/",
            "/webhooks/",
            "/preferences/",
        ),
        *(f"/transcriptions/{row.id}/history/" for row in rows if row.status == Status.COMPLETED),
        *(f"/keys/{key.id}/", "/audit/", "/audit/?action=key.rotated&actor=<b>", "/audit/?since=never"),
        *("/accounts/name/", "/accounts/password/change/", "/accounts/logout/", "/nowhere/"),
    ]


def test_pages_carry_nothing_that_the_policy_blocks(pages: list[str], as_alice: Client) -> None:
    for page in pages:
        found = Page(as_alice.get(page).content.decode())
        assert (page, found.faults) == (page, [])
        assert (page, sorted(set(found.ids))) == (page, sorted(found.ids))


def test_sign_in_pages_look_like_ours(client: Client, db: None) -> None:
    for page in (
        "/accounts/login/",
        "/accounts/password/reset/",
        "/accounts/password/reset/done/",
        "/accounts/signup/",
    ):
        answer = client.get(page)
        text = answer.content.decode()
        assert (page, answer.status_code, Page(text).faults) == (page, 200, [])
        assert "css/tokens.css" in text


def test_every_page_says_its_language(pages: list[str], as_alice: Client) -> None:
    as_alice.cookies[settings.LANGUAGE_COOKIE_NAME] = "zh-hans"
    for page in pages:
        if not page.endswith(("rows/", "menu/")):
            assert '<html lang="zh-hans"' in as_alice.get(page).content.decode()


def test_a_transcript_is_text_and_never_markup(as_alice: Client, alice: Character, make: Make) -> None:
    row = make(alice.tenant, name="<script>alert(1)</script>.mp3")
    text = as_alice.get(f"/recordings/{row.recording_id}/").content.decode()
    assert "There are &lt;b&gt;two&lt;/b&gt; risks." in text
    assert "<script>alert" not in text


def test_scripts_hold_no_words_of_their_own() -> None:
    """Each text key that a script asks for exists in portal/web/strings.py."""
    code = "\n".join(file.read_text() for file in (settings.BASE_DIR / "static" / "js").glob("*.js"))
    asked = set(re.findall(r'text\((?:[^()"`]*\? )?"([a-z_]+)"', code)) | set(
        re.findall(r' : "((?:mic|player)_[a-z]+)"\)', code)
    )
    assert asked - set(page_strings()) == set()
    assert len(asked) > 30


def test_scripts_speak_chinese_too() -> None:
    english = page_strings()
    with override("zh-hans"):
        chinese = page_strings()
    assert [key for key in english if english[key] == chinese[key]] == []


def test_every_vendored_folder_has_its_licence() -> None:
    vendor: Path = settings.BASE_DIR / "static" / "vendor"
    readme = (vendor / "README.md").read_text()
    for folder in (path for path in vendor.iterdir() if path.is_dir()):
        assert (folder / "LICENSE").exists()
        assert f"`{folder.name}/LICENSE`" in readme
