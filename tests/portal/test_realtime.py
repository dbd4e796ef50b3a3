"""Who may open a realtime session, how many, and what it answers to what makes no sense."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.test import override_settings
from prometheus_client import REGISTRY

from portal.asgi import application
from portal.realtime import consumer
from tenants import api_keys, scope
from tenants.models import ApiKey, KeyScope, LedgerEntry, Quota, Tenant, UsageMonth
from tenants.quota import QuotaExceeded
from tests.conftest import Character
from tests.portal.http.test_uploads import signed_in
from tests.portal.ops.conftest import condition
from transcription.live import admission
from transcription.live.admission import Meter
from transcription.live.agreement import Heard
from transcription.live.passes import PassResult, PassSource
from transcription.options import engines, offered_models

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumer, "RECHECK_SECONDS", 0.1)


class Program(ApplicationCommunicator):
    """A program's end of a realtime socket, without a server in between."""

    def __init__(self, headers: dict[str, str], subprotocols: tuple[str, ...] = ()) -> None:
        sent = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        scope = {"type": "websocket", "path": "/v1/realtime", "query_string": b"intent=transcription"}
        hosted = [*sent, (b"host", b"testserver")]
        super().__init__(application, scope | {"headers": hosted, "subprotocols": list(subprotocols)})

    async def open(self) -> dict[str, Any]:
        """Returns the first event."""
        await self.send_input({"type": "websocket.connect"})
        assert (await self.receive_output(30))["type"] == "websocket.accept"
        return await self.hear()

    async def say(self, event: object) -> None:
        await self.send_input(
            {"type": "websocket.receive", "text": event if isinstance(event, str) else json.dumps(event)}
        )

    async def hear(self) -> dict[str, Any]:
        return dict(json.loads((await self.receive_output(30))["text"]))

    async def closing_code(self) -> int:
        while (message := await self.receive_output(30))["type"] != "websocket.close":
            pass
        await self.hang_up()
        return int(message["code"])

    async def hang_up(self) -> None:
        await self.send_input({"type": "websocket.disconnect", "code": 1000})
        await self.wait(10)


def append(audio: str) -> dict[str, str]:
    return {"type": "input_audio_buffer.append", "audio": audio, "event_id": "mine"}


async def refusal(program: Program) -> tuple[str, int]:
    event = await program.open()
    return event["error"]["code"], await program.closing_code()


@sync_to_async
def limit(who: Character, **limits: int) -> None:
    Quota.objects.filter(tenant=who.tenant).update(**limits)


@sync_to_async
def key_of(who: Character, key_scope: str) -> str:
    return api_keys.issue(who.tenant, "reader", who.user, key_scope)[1]


@sync_to_async
def revoke_keys(who: Character) -> None:
    with scope.bound(who.tenant.id):
        for key in ApiKey.objects.all():
            api_keys.revoke(who.actor, key.id)


async def test_a_key_opens_a_session_and_nobody_else_does(alice: Character) -> None:
    program = Program(alice.bearer)
    created = await program.open()
    assert (created["type"], created["session"]["type"]) == ("session.created", "transcription")
    await program.hang_up()
    assert await refusal(Program({"Authorization": "Bearer wp_wrong"})) == ("invalid_api_key", 4401)
    reader = {"Authorization": f"Bearer {await key_of(alice, KeyScope.READ)}"}
    assert await refusal(Program(reader)) == ("insufficient_permissions", 4401)
    stranger = Program({"Origin": "https://elsewhere.example"})
    await stranger.send_input({"type": "websocket.connect"})
    assert (await stranger.receive_output(5))["type"] == "websocket.close"


async def test_our_own_page_opens_a_session_for_whoever_may_record(alice: Character, bob: Character) -> None:
    for who, first in ((alice, "session.created"), (bob, "error")):
        cookie = f"sessionid={await signed_in(who)}"
        page = Program({"Cookie": cookie, "Origin": "http://testserver"})
        assert (await page.open())["type"] == first
        await page.hang_up()
        elsewhere = Program({"Cookie": cookie, "Origin": "https://elsewhere.example"})
        await elsewhere.send_input({"type": "websocket.connect"})
        assert (await elsewhere.receive_output(5))["type"] == "websocket.close"


async def test_a_session_ends_when_its_key_is_revoked(alice: Character) -> None:
    program = Program(alice.bearer)
    await program.open()
    await revoke_keys(alice)
    assert (await program.hear())["error"]["code"] == "invalid_api_key"
    assert await program.closing_code() == 4401


async def test_a_tenant_has_so_many_sessions_at_once_and_another_tenant_its_own(
    alice: Character, mallory: Character
) -> None:
    await limit(alice, concurrent=1)
    first = Program(alice.bearer)
    await first.open()
    assert await refusal(Program(alice.bearer)) == ("rate_limit_exceeded", 1008)
    other = Program(mallory.bearer)
    assert (await other.open())["type"] == "session.created"
    await first.hang_up()
    again = Program(alice.bearer)
    assert (await again.open())["type"] == "session.created"
    await again.hang_up()
    await other.hang_up()


async def test_a_session_that_ends_while_it_is_checked_counts_no_more(
    alice: Character, monkeypatch: pytest.MonkeyPatch
) -> None:
    await limit(alice, concurrent=1)
    program = Program(alice.bearer)
    await program.open()
    checking, has_left, enter = threading.Event(), threading.Event(), admission.enter

    def enter_slowly(tenant: Tenant, session_id: str) -> None:
        checking.set()
        has_left.wait(0.5)
        enter(tenant, session_id)

    with monkeypatch.context() as slow:
        slow.setattr(admission, "enter", enter_slowly)
        await asyncio.to_thread(checking.wait, 10)
        await program.hang_up()
        has_left.set()
    again = Program(alice.bearer)
    assert (await again.open())["type"] == "session.created"
    await again.hang_up()


async def test_a_month_that_is_used_up_opens_none_and_ends_those_that_are_open(alice: Character) -> None:
    program = Program(alice.bearer)
    await program.open()
    await limit(alice, monthly_seconds=0)
    assert (await program.hear())["error"]["code"] == "insufficient_quota"
    assert await program.closing_code() == 1008
    assert await refusal(Program(alice.bearer)) == ("insufficient_quota", 1008)


@pytest.mark.parametrize(
    ("sent", "code", "param"),
    [
        ("no json", "invalid_event", None),
        ("[" * 100_000, "invalid_event", None),
        ([], "invalid_event", None),
        ({"type": "response.create"}, "invalid_event", None),
        (append("%%%"), "invalid_base64", "audio"),
        (append(base64.b64encode(b"odd").decode()), "invalid_event", None),
        ({"type": "input_audio_buffer.commit"}, "input_audio_buffer_commit_empty", None),
        ({"type": "session.update", "session": {"type": "realtime"}}, "invalid_event", "session.update.session.type"),
        (
            {
                "type": "session.update",
                "session": {"type": "transcription", "audio": {"input": {"transcription": {"model": "gpt-9"}}}},
            },
            "model_not_found",
            "session.audio.input.transcription.model",
        ),
        (
            {
                "type": "session.update",
                "session": {"type": "transcription", "audio": {"input": {"format": {"type": "audio/pcm", "rate": 1}}}},
            },
            "invalid_event",
            "session.update.session.audio.input.format.audio/pcm.rate",
        ),
    ],
)
async def test_what_makes_no_sense_is_answered_and_the_session_goes_on(
    alice: Character, sent: object, code: str, param: str | None
) -> None:
    program = Program(alice.bearer)
    await program.open()
    await program.say(sent)
    event = await program.hear()
    assert (event["type"], event["error"]["code"]) == ("error", code)
    assert param is None or event["error"]["param"] == param
    await program.say({"type": "input_audio_buffer.clear"})
    assert (await program.hear())["type"] == "input_audio_buffer.cleared"
    await program.hang_up()


async def test_a_model_that_no_engine_has_is_refused_and_what_was_refused_is_counted(alice: Character) -> None:
    program = Program(alice.bearer)
    await program.open()
    await sync_to_async(engines.report)("gpu0", condition(), workers_alive=1, workers_wanted=1)
    with override_settings(WHISPER_MODELS=["base", "small"]):
        offered_models.offered_models.cache_clear()
        wanted = {"input": {"transcription": {"model": "small"}}}
        await program.say({"type": "session.update", "session": {"type": "transcription", "audio": wanted}})
        event = await program.hear()
    offered_models.offered_models.cache_clear()
    assert (event["type"], event["error"]["code"]) == ("error", "model_unavailable")
    assert "small" in event["error"]["message"]
    assert metric("portal_live_sessions_open") == 1
    await program.hang_up()
    before = metric("portal_live_refused_total", code="invalid_api_key")
    assert await refusal(Program({"Authorization": "Bearer wp_wrong"})) == ("invalid_api_key", 4401)
    assert metric("portal_live_refused_total", code="invalid_api_key") == before + 1
    assert metric("portal_live_sessions_open") == 0


def metric(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def test_a_flood_of_nonsense_closes_the_socket(alice: Character) -> None:
    program = Program(alice.bearer)
    await program.open()
    for _number in range(consumer.MOST_ERRORS):
        await program.say("{}")
    assert await program.closing_code() == 1008


async def test_a_message_that_is_too_long_closes_the_socket(alice: Character) -> None:
    program = Program(alice.bearer)
    await program.open()
    await program.say(append("A" * consumer.LONGEST_MESSAGE))
    assert await program.closing_code() == 1009


async def test_an_update_changes_what_it_names(alice: Character) -> None:
    program = Program(alice.bearer)
    await program.open()
    for input in ({"turn_detection": None}, {"format": {"type": "audio/pcma"}}):
        await program.say({"type": "session.update", "session": {"type": "transcription", "audio": {"input": input}}})
        event = await program.hear()
        assert event["type"] == "session.updated"
    assert event["session"]["audio"]["input"]["turn_detection"] is None
    assert event["session"]["audio"]["input"]["format"] == {"type": "audio/pcma"}
    await program.hang_up()


async def test_no_engine_answers_and_the_program_is_told_so(alice: Character, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transcription.live.passes.PASS_SECONDS", 1)
    monkeypatch.setattr(consumer, "RETRY_SECONDS", 0.01)
    program = Program(alice.bearer)
    await program.open()
    session = {"type": "transcription", "audio": {"input": {"turn_detection": None}}}
    await program.say({"type": "session.update", "session": session})
    await program.say(append(base64.b64encode(bytes(2 * 24_000 * 4)).decode()))
    await program.say({"type": "input_audio_buffer.commit"})
    heard = [await program.hear()]
    while heard[-1]["type"] != "conversation.item.input_audio_transcription.failed":
        heard.append(await program.hear())
    assert "input_audio_buffer.lag" in {event["type"] for event in heard}
    assert heard[-1]["error"]["code"] == "engine_unavailable"
    assert await charges(alice) == []
    await program.hang_up()


def answer_the_second_pass() -> None:
    """Is a relay that dies with the first pass it takes, and the next one, whose engine hears the fox."""
    source = PassSource()
    _first, (name, wanted) = (next(filter(None, iter(source.take, ()))) for _number in range(2))
    assert len(wanted.pcm) == 2 * 4 * 16_000
    source.answer(name, PassResult((Heard(4.0, " The quick brown fox."),), "en"))


async def test_a_pass_that_was_lost_is_made_again_and_its_sound_is_charged_once(
    alice: Character, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transcription.live.passes.PASS_SECONDS", 1)
    monkeypatch.setattr("transcription.live.passes.POLL_SECONDS", 0.2)
    monkeypatch.setattr(consumer, "RETRY_SECONDS", 0.01)
    program = Program(alice.bearer)
    await program.open()
    session = {"type": "transcription", "audio": {"input": {"turn_detection": None}}}
    await program.say({"type": "session.update", "session": session})
    relaying = asyncio.create_task(asyncio.to_thread(answer_the_second_pass))
    await program.say(append(base64.b64encode(bytes(2 * 24_000 * 4)).decode()))
    await program.say({"type": "input_audio_buffer.commit"})
    while (event := await program.hear())["type"] != "conversation.item.input_audio_transcription.completed":
        pass
    await relaying
    assert event["transcript"] == "The quick brown fox."
    assert await charges(alice) == [4]
    await program.hang_up()


@sync_to_async
def charges(who: Character) -> list[int]:
    with scope.bound(who.tenant.id):
        return list(LedgerEntry.objects.order_by("id").values_list("seconds", flat=True))


def test_the_seconds_of_a_session_are_rounded_up_once(alice: Character) -> None:
    meter = Meter(alice.actor)
    for seconds in (1.4, 0.3, 0.2, 5.0):
        meter.charge(seconds)
    with scope.bound(alice.tenant.id):
        assert list(LedgerEntry.objects.order_by("id").values_list("seconds", flat=True)) == [2, 5]
        usage = UsageMonth.objects.get()
        assert (usage.used_seconds, usage.reserved_seconds) == (7, 0)


def test_a_turn_that_is_longer_than_what_is_left_of_the_month_is_charged_what_is_left(alice: Character) -> None:
    Quota.objects.filter(tenant=alice.tenant).update(monthly_seconds=5)
    meter = Meter(alice.actor)
    meter.charge(3.0)
    for _again in range(2):
        with pytest.raises(QuotaExceeded):
            meter.charge(4.0)
    with scope.bound(alice.tenant.id):
        assert list(LedgerEntry.objects.order_by("id").values_list("seconds", flat=True)) == [3, 2]


def answer_one_pass() -> None:
    source = PassSource()
    name, _wanted = next(filter(None, iter(source.take, ())))
    source.answer(name, PassResult((Heard(4.0, " The quick brown fox."),), "en"))


@pytest.mark.parametrize("ends_with", ["input_audio_buffer.clear", ""])
async def test_what_was_heard_of_a_turn_is_charged_once_though_it_comes_to_no_end(
    ends_with: str, alice: Character
) -> None:
    program = Program(alice.bearer)
    await program.open()
    input = {"turn_detection": None}
    include = ["item.input_audio_transcription.partial"]
    await program.say(
        {
            "type": "session.update",
            "session": {"type": "transcription", "audio": {"input": input}, "include": include},
        }
    )
    relaying = asyncio.create_task(asyncio.to_thread(answer_one_pass))
    await program.say(append(base64.b64encode(bytes(2 * 24_000 * 4)).decode()))
    while not (await program.hear())["type"].endswith("transcription.partial"):
        pass
    await relaying
    if ends_with:
        await program.say({"type": ends_with})
        while (await program.hear())["type"] != "input_audio_buffer.cleared":
            pass
    await program.hang_up()
    assert await charges(alice) == [4]


async def test_half_a_character_is_an_error_like_others(alice: Character) -> None:
    program = Program(alice.bearer)
    await program.open()
    await program.say('{"type": "nothing", "event_id": "\\ud800"}')
    assert (await program.hear())["error"]["code"] == "invalid_event"
    await program.hang_up()
