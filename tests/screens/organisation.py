"""An organisation to be photographed: it is filled as its people and programs would, by the pages and the API."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, Page, StorageState, expect

from tests.browser.conftest import PASSWORD
from tests.screens.names import Names
from tests.stack import Stack

PATIENCE_SECONDS = 900
IN_ENGLISH = "en-GB"
"""The pages are filled in English, by their labels, whatever language is photographed."""


@dataclass
class Organisation:
    """What the pages of single things are about: addresses by the names of pictures."""

    stack: Stack
    names: Names
    api: httpx.Client
    recordings: list[dict[str, Any]] = field(default_factory=list)
    pages: dict[str, str] = field(default_factory=dict)
    link: str = ""
    invitation: str = ""
    word: str = ""

    @property
    def shown(self) -> str:
        """The id of the recording whose transcript is shown."""
        return str(self.recordings[0]["id"])

    @property
    def other(self) -> str:
        """The id of the second recording, if there is one."""
        return str(self.recordings[:2][-1]["id"])

    def post(self, address: str, **body: Any) -> dict[str, Any]:
        answer = self.api.post(f"/api/v1/{address}", json=body)
        answer.raise_for_status()
        return dict(answer.json())


def fill(browser: Browser, stack: Stack, names: Names, audio: list[Path], hooks: str) -> Organisation:
    """Fills the stack's organisation; the first file becomes the recording whose transcript is shown."""
    name_everybody(browser, stack, names)
    page = signed_in(browser, stack, "staff")
    with httpx.Client(base_url=stack.url, timeout=60) as api:
        there = Organisation(stack, names, api)
        api.headers["Authorization"] = f"Bearer {make_keys(page, there)}"
        gather_people(page, there)
        make_rules(there, hooks)
        make_terms(there)
        record(page, there, audio)
        sort(page, there)
        talk(there)
        share(browser, there)
        save_view(page, there)
        allow_voices(page)
    page.context.close()
    return there


def address_of(stack: Stack) -> str:
    """Returns the address under which browsers offer passkeys."""
    return stack.url.replace("127.0.0.1", "localhost")


def session_of(browser: Browser, stack: Stack, who: str, address: str = "") -> StorageState:
    """Returns the cookies of a fresh sign-in of the stack's `staff` or `admin`."""
    page = signed_in(browser, stack, who, address)
    state = page.context.storage_state()
    page.context.close()
    return state


def signed_in(browser: Browser, stack: Stack, who: str, address: str = "") -> Page:
    page = browser.new_context(base_url=address or address_of(stack), locale=IN_ENGLISH).new_page()
    page.goto("/accounts/login/")
    page.get_by_label("Email").fill(stack.credentials[f"{who}_email"])
    page.get_by_label("Password").fill(stack.credentials[f"{who}_password"])
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_load_state("networkidle")
    return page


def name_everybody(browser: Browser, stack: Stack, names: Names) -> None:
    """Has the operator name the organisation and its owner, and say whose the domain is."""
    page = signed_in(browser, stack, "admin")
    page.goto("/admin/tenants/tenant/")
    page.locator("#result_list tbody th a").first.click()
    page.locator("#id_name").fill(names.tenant)
    page.locator("#allowed_domains-group .add-row a").click()
    page.locator("#id_allowed_domains-0-domain").fill("acme.example")
    for box in page.locator("#allowed_domains-0 input[type=checkbox]:visible").all():
        if "DELETE" not in str(box.get_attribute("name")):
            box.check()
    page.locator("[name=_save]").click()
    page.goto(f"/admin/tenants/user/?q={stack.credentials['staff_email']}")
    page.locator("#result_list tbody th a").first.click()
    page.locator("#id_first_name").fill(names.owner[0])
    page.locator("#id_last_name").fill(names.owner[1])
    page.locator("[name=_save]").click()
    page.context.close()


def make_keys(page: Page, there: Organisation) -> str:
    """Returns the secret of a key that may manage."""
    secret = ""
    for name, scope in zip(there.names.keys, ("admin", "write"), strict=True):
        page.goto("/keys/")
        page.locator("[name=name]").fill(name)
        page.locator("[name=scope]").select_option(scope)
        page.get_by_role("button", name="Create key").click()
        secret = secret or str(page.locator("#secret").text_content())
    return secret


def gather_people(page: Page, there: Organisation) -> None:
    for email, name, role in there.names.members:
        link = invite(page, email, role)
        theirs = page.context.browser.new_context(locale=IN_ENGLISH).new_page()  # type: ignore[union-attr]
        theirs.goto(link)
        theirs.get_by_label("First name").fill(name)
        theirs.get_by_label("Password", exact=True).fill(PASSWORD)
        theirs.get_by_label("Password confirmation").fill(PASSWORD)
        theirs.get_by_role("button", name="Join").click()
        theirs.wait_for_url("**/recordings/")
        theirs.context.close()
    for email in there.names.invited:
        there.invitation = invite(page, email, "editor")


def invite(page: Page, email: str, role: str) -> str:
    """Returns the invitation's link."""
    page.goto("/people/")
    page.locator("[name=email]").first.fill(email)
    page.locator("[name=role]").first.select_option(role)
    page.get_by_role("button", name="Invite", exact=True).click()
    return str(page.locator(f"tr:has-text('{email}') code").text_content())


def make_rules(there: Organisation, hooks: str) -> None:
    """Makes folders, places, a webhook, and rules that use them."""
    names = there.names
    for index, name in enumerate(names.folders):
        folder = there.post("folders", name=name, restricted=index == 1)
        if index == 1:
            there.pages["folder"] = f"/folders/{folder['id']}/"
    place = there.post("places", name=names.place, kind="folder", path="minutes", watched=True)
    there.pages["place"] = f"/rules/places/{place['id']}/"
    bucket = {"endpoint": "https://s3.acme.example", "bucket": "archive", "region": "eu-central-1", "key_id": "AKIA4X7"}
    there.post("places", name=names.bucket, kind="bucket", secret="never shown", paused=True, **bucket)
    webhook = there.post("webhooks", url=f"{hooks}/whisper", description=names.webhook)
    there.pages["webhook"] = f"/webhooks/{webhook['id']}/"
    effects: dict[str, Any] = {"options": {"speakers": "auto", "word_timestamps": True}}
    deliveries = [{"place": place["id"], "formats": ["docx", "srt"]}]
    meetings = effects | {"folder": names.folders[0], "tags": [names.tags[0]], "deliveries": deliveries}
    key = there.api.get("/api/v1/keys").json()["results"][0]["id"]
    rule = there.post("rules", name=names.rules[0], conditions={"way": "portal"}, effects=meetings)
    there.post("rules", name=names.rules[1], conditions={"key": key}, effects={"audio_days": 30, "text_days": 90})
    there.pages["rule"] = f"/rules/{rule['id']}/"


def make_terms(there: Organisation) -> None:
    for text, spellings, note in there.names.terms:
        there.post("terms", text=text, spellings=list(spellings), note=note)


def record(page: Page, there: Organisation, audio: list[Path]) -> None:
    """Uploads the files on the page, the first one last, and waits for their texts; the last two by the API."""
    for file in reversed(audio[:-2] if len(audio) > 3 else audio):
        page.goto("/recordings/")
        page.locator("[data-drop] input").set_input_files(str(file))
        expect(page.locator(".row", has_text=file.name)).to_be_visible(timeout=60_000)
    for file in audio[-2:] if len(audio) > 3 else []:
        with file.open("rb") as sound:
            there.api.post("/api/v1/recordings", files={"file": (file.name, sound)}).raise_for_status()
    wait(there, len(audio))
    rows = {row["name"]: row for row in there.api.get("/api/v1/recordings").json()["results"]}
    there.recordings = [rows[file.name] for file in audio]


def wait(there: Organisation, count: int) -> None:
    """Waits until so many recordings have their texts, and the speakers are told apart."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        rows = there.api.get("/api/v1/recordings").json()["results"]
        texts = [row["transcription"] for row in rows if row["transcription"]]
        if sum(text["status"] == "completed" and not text.get("finding_speakers") for text in texts) == count:
            return
        time.sleep(0.5)
    raise RuntimeError("The recordings were not transcribed.")


def sort(page: Page, there: Organisation) -> None:
    """Moves recordings, puts tags on, one into the bin and one on hold, and lets a member into the folder."""
    names, rows = there.names, there.recordings
    for row, folder in zip(rows[:4], (1, 1, 2, 2), strict=False):
        there.api.put(
            f"/api/v1/recordings/{row['id']}/folder", json={"folder": names.folders[folder]}
        ).raise_for_status()
    for row, tag in zip(rows, (1, 2, 2, 1), strict=False):
        there.post(f"recordings/{row['id']}/tags", name=names.tags[tag])
    if len(rows) > 2:
        there.api.put(f"/api/v1/recordings/{rows[-1]['id']}/bin").raise_for_status()
    there.api.put(f"/api/v1/recordings/{there.other}/hold", json={"reason": names.hold}).raise_for_status()
    for (email, _name, _role), role in zip(names.members, ("viewer", "manager"), strict=True):
        page.goto(there.pages["folder"])
        page.locator("#member-email").fill(email)
        page.locator("#member-role").select_option(role)
        page.get_by_role("button", name="Add", exact=True).click()
        expect(page.locator("td", has_text=email)).to_be_visible()


def talk(there: Organisation) -> None:
    """Names the speakers of the transcript that is shown, comments on it, and notes a word to look for."""
    text = there.recordings[0]["transcription"]["id"]
    address = f"transcriptions/{text}/speakers"
    speakers = there.api.get(f"/api/v1/{address}").json()
    for speaker, name in zip(speakers["results"], there.names.speakers, strict=False):
        tag = there.api.get(f"/api/v1/{address}").headers["ETag"]
        body, seen = {"name": name}, {"If-Match": tag}
        there.api.patch(f"/api/v1/{address}/{speaker['speaker']}", json=body, headers=seen).raise_for_status()
    there.word = max(there.api.get(f"/api/v1/transcriptions/{text}/transcript.txt").text.split(), key=len).strip(".,?!")
    address = f"recordings/{there.shown}/comments"
    comment = there.post(address, text=there.names.comment, start=4.0, end=8.0)
    there.post(address, text=there.names.reply, parent=comment["id"])


def share(browser: Browser, there: Organisation) -> None:
    """Makes two links, of which a guest opens one."""
    soon = (datetime.now(UTC) + timedelta(days=14)).isoformat()
    made = there.post(f"recordings/{there.shown}/shares", label=there.names.share, level="comment", expires_at=soon)
    there.post(f"recordings/{there.other}/shares", label=there.names.tags[1], most_openings=3)
    there.link, there.pages["share-link"] = made["url"], f"/shares/{made['id']}/"
    guest = browser.new_page()
    guest.goto(made["url"])
    guest.close()


def save_view(page: Page, there: Organisation) -> None:
    folder = there.api.get("/api/v1/folders").json()["results"][0]["id"]
    page.goto(f"/recordings/?by=all&folder={folder}")
    page.locator("details:has(#view-name) summary").click()
    page.locator("#view-name").fill(there.names.view)
    page.locator("[name=shared]").check()
    page.locator("[data-save-view] button").click()
    page.wait_for_load_state("networkidle")


def allow_voices(page: Page) -> None:
    page.goto("/people/")
    page.locator("button[name=allowed]").click()
    page.wait_for_load_state("networkidle")


def announce(page: Page, names: Names) -> None:
    """Has the operator make a plan, and announce something for another week."""
    page.goto("/admin/tenants/plan/add/")
    page.locator("#id_name").fill(names.plan)
    page.locator("[name=_save]").click()
    page.goto("/admin/tenants/announcement/add/")
    page.locator("#id_text_en").fill(names.announcement)
    page.locator("#id_text_zh").fill(names.announcement)
    page.locator("#id_starts_at_0").fill((datetime.now(UTC) + timedelta(days=5)).date().isoformat())
    page.locator("#id_for_all").check()
    page.locator("[name=_save]").click()
