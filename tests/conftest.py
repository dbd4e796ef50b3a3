"""Characters and the real things they meet. Alice owns Acme, Bob views it, Mallory is of another tenant."""

from __future__ import annotations

import gc
import hashlib
import importlib.util
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import pytest
from asgiref.sync import SyncToAsync
from django.conf import settings
from django.db import connection, connections
from django.test import TransactionTestCase
from pytest_django import DjangoDbBlocker

from portal.supervisor.valkey import server_command
from tenants import api_keys, scope
from tenants.access import Actor, member_actor
from tenants.models import Member, Quota, Role, Tenant, User
from tests import databases
from tests.clocks import travelling_database
from tests.postgres import ON_POSTGRESQL
from tests.scheduling import PRODUCTS, group_of
from tests.scheduling import pytest_xdist_make_scheduler as pytest_xdist_make_scheduler
from transcription import redis
from transcription.diarization import weights as diarization_weights
from transcription.engine.weights import print_progress
from transcription.media import ffmpeg, find_ffmpeg

pytest_plugins = ["tests.stack"]
STARTED = PRODUCTS | {"failing"}
# Files that take two seconds of a processor or more for few tests: `make check` goes without them.
THOROUGH = {
    "tests/browser/test_media_clock.py",
    "tests/portal/api/test_audio_tracks.py",
    "tests/portal/api/test_audit.py",
    "tests/portal/api/test_audit_complete.py",
    "tests/portal/api/test_bodies.py",
    "tests/portal/api/test_diarized.py",
    "tests/portal/api/test_hangups.py",
    "tests/portal/api/test_lists.py",
    "tests/portal/api/test_openai_errors.py",
    "tests/portal/api/test_scopes.py",
    "tests/portal/api/test_segments.py",
    "tests/portal/api/test_slashes.py",
    "tests/portal/api/test_sockets.py",
    "tests/portal/api/test_waiting.py",
    "tests/portal/http/test_connection_limits.py",
    "tests/portal/http/test_request_budget.py",
    "tests/portal/http/test_request_id.py",
    "tests/portal/http/test_thread_pools.py",
    "tests/portal/ops/test_admin_of_work.py",
    "tests/portal/ops/test_containers.py",
    "tests/portal/ops/test_supervision.py",
    "tests/portal/scim/test_scim.py",
    "tests/portal/shared/test_comments.py",
    "tests/portal/shared/test_copies.py",
    "tests/portal/shared/test_corrections.py",
    "tests/portal/shared/test_links.py",
    "tests/portal/shared/test_sound.py",
    "tests/portal/test_backup.py",
    "tests/portal/test_consumers.py",
    "tests/portal/test_doctor.py",
    "tests/portal/test_error_reports.py",
    "tests/portal/test_folder_walls.py",
    "tests/portal/test_realtime.py",
    "tests/portal/test_transcript_socket.py",
    "tests/portal/web/factors/test_in_between.py",
    "tests/portal/web/factors/test_second_factor.py",
    "tests/portal/web/test_devices.py",
    "tests/portal/web/test_bulk.py",
    "tests/portal/web/test_recordings.py",
    "tests/portal/web/test_second_factor_required.py",
    "tests/portal/web/test_sound.py",
    "tests/portal/web/test_usage.py",
    "tests/tenants/test_quota.py",
    "tests/tenants/test_rate_limit.py",
    "tests/transcription/comments/test_comments.py",
    "tests/transcription/diarization/test_diarization.py",
    "tests/transcription/engine/test_cli.py",
    "tests/transcription/engine/test_feeding.py",
    "tests/transcription/engine/test_non_speech.py",
    "tests/transcription/engine/test_overlaps.py",
    "tests/transcription/engine/test_own_models.py",
    "tests/transcription/engine/test_quarantine.py",
    "tests/transcription/engine/test_remote.py",
    "tests/transcription/engine/test_scheduler.py",
    "tests/transcription/engine/test_weights.py",
    "tests/transcription/engine/test_windows.py",
    "tests/transcription/exchange/test_deliveries.py",
    "tests/transcription/fetches/test_attempts.py",
    "tests/transcription/inbox/test_hostile_buckets.py",
    "tests/transcription/inbox/test_inbox.py",
    "tests/transcription/inbox/test_mail.py",
    "tests/transcription/inbox/test_moving.py",
    "tests/transcription/intake/test_accept.py",
    "tests/transcription/intake/test_idempotency.py",
    "tests/transcription/intake/test_rehearing.py",
    "tests/transcription/intake/test_reuse.py",
    "tests/transcription/management/test_model_command.py",
    "tests/transcription/media/test_claims.py",
    "tests/transcription/media/test_clock.py",
    "tests/transcription/media/test_formats.py",
    "tests/transcription/media/test_media.py",
    "tests/transcription/media/test_storage.py",
    "tests/transcription/media/test_tracks.py",
    "tests/transcription/offboarding/test_admin.py",
    "tests/transcription/offboarding/test_archive.py",
    "tests/transcription/offboarding/test_deletion.py",
    "tests/transcription/offboarding/test_s3.py",
    "tests/transcription/options/test_audio_tracks.py",
    "tests/transcription/outbound/test_exchanges.py",
    "tests/transcription/queue/test_account.py",
    "tests/transcription/queue/test_fairness.py",
    "tests/transcription/queue/test_lifecycle.py",
    "tests/transcription/queue/test_simulated_days.py",
    "tests/transcription/rules/test_rules.py",
    "tests/transcription/search/test_search.py",
    "tests/transcription/segments/test_bounds.py",
    "tests/transcription/shares/test_excerpts.py",
    "tests/transcription/strikes/test_other_texts.py",
    "tests/transcription/strikes/test_sound.py",
    "tests/transcription/strikes/test_texts.py",
    "tests/transcription/transcripts/test_series.py",
    "tests/transcription/uploads/test_acceptance.py",
    "tests/transcription/uploads/test_cleanup.py",
    "tests/transcription/uploads/test_multipart.py",
    "tests/transcription/uploads/test_object_storage.py",
    "tests/transcription/uploads/test_tus.py",
    "tests/transcription/uploads/test_tus_access.py",
    "tests/transcription/videos/test_videos.py",
    "tests/transcription/webhooks/test_retries.py",
    "tests/transcription/worker/test_missed_speech.py",
    "tests/transcription/worker/test_model_version.py",
    "tests/transcription/worker/test_speakers.py",
}


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With `-m postgresql` no other tests are imported, which takes longer than to run many of these."""
    if config.option.markexpr != "postgresql":
        return None
    name = _name(collection_path, config)
    wanted = {"", *ON_POSTGRESQL} | {folder.as_posix() for file in ON_POSTGRESQL for folder in Path(file).parents}
    return True if name not in wanted and (collection_path.is_dir() or name.endswith(".py")) else None


def _name(path: Path, config: pytest.Config) -> str:
    return path.relative_to(config.rootpath).as_posix()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Marks what starts the whole product and what runs on PostgreSQL, too; of several processes each begins with what
    is slow, so that none is left with it at the end.
    """
    if gone := [name for name in (*ON_POSTGRESQL, *THOROUGH) if not (config.rootpath / name).exists()]:
        raise pytest.UsageError(f"ON_POSTGRESQL or THOROUGH names files that are no more: {', '.join(gone)}")
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if STARTED & fixtures:
            item.add_marker("product")
        if "stack" in fixtures:
            item.add_marker("weights")
        name = _name(item.path, config)
        if PRODUCTS & fixtures and group_of(name) == name:
            raise pytest.UsageError(f"{name} uses a product that others share: name it in tests/scheduling.py")
        if name in ON_POSTGRESQL:
            item.add_marker("postgresql")
        if name in THOROUGH:
            item.add_marker("thorough")
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_collection_finish() -> None:
    """What thousands of collected tests and imported modules hold stays to the end: the garbage collector leaves it."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@dataclass(frozen=True)
class Character:
    """A person with a password, as a member of a tenant, and a key that speaks for the tenant."""

    user: User
    tenant: Tenant
    member: Member
    secret: str

    @property
    def actor(self) -> Actor:
        return member_actor(Member.objects.select_related("tenant__quota", "user").get(pk=self.member.pk))

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.secret}"}


def create_member(tenant: Tenant, email: str, role: str) -> Character:
    user = User.objects.create_user(email, "correct horse")
    member = Member.objects.create(tenant=tenant, user=user, role=role)
    _key, secret = api_keys.issue(tenant, f"Key of {email}", user)
    return Character(user, tenant, member, secret)


def create_tenant(name: str, **limits: int) -> Tenant:
    tenant = Tenant.objects.create(name=name)
    quota = Quota.with_defaults(tenant)
    for limit, value in limits.items():
        setattr(quota, limit, value)
    quota.save()
    return tenant


@pytest.fixture
def acme(db: None) -> Tenant:
    return create_tenant("Acme")


@pytest.fixture
def alice(acme: Tenant) -> Character:
    return create_member(acme, "alice@acme.example", Role.OWNER)


@pytest.fixture
def bob(acme: Tenant) -> Character:
    return create_member(acme, "bob@acme.example", Role.VIEWER)


@pytest.fixture
def mallory(db: None) -> Character:
    return create_member(create_tenant("Evil"), "mallory@evil.example", Role.OWNER)


@pytest.fixture
def within(acme: Tenant) -> Iterator[None]:
    """Acme is bound while the test runs."""
    with scope.bound(acme.id):
        yield


@pytest.fixture(autouse=True)
def one_clock() -> Iterator[None]:
    """Where a test travels in time, the database comes along; `clock_moved` is for clocks that differ."""
    with travelling_database():
        yield


@pytest.fixture(autouse=True)
def no_connection_left() -> Iterator[None]:
    """An asynchronous test's own queries run in asgiref's one thread, whose connection nobody else would close."""
    yield
    SyncToAsync.single_thread_executor.submit(connections.close_all).result()


@pytest.fixture(scope="session")
def django_db_setup(request: pytest.FixtureRequest, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Each of pytest-xdist's processes has its own database."""
    if not hasattr(request.config, "workerinput"):
        request.getfixturevalue("django_db_setup")
        yield
        return
    request.getfixturevalue("django_test_environment")
    if connection.vendor == "postgresql":
        request.getfixturevalue("django_db_modify_db_settings")
    with django_db_blocker.unblock():
        made = databases.migrate_once()
    yield
    with django_db_blocker.unblock():
        databases.drop(made)


@pytest.fixture(scope="session", autouse=True)
def flushed_quickly() -> Iterator[None]:
    with patch.object(TransactionTestCase, "_fixture_teardown", databases.flush):
        yield


@pytest.fixture(scope="session", autouse=True)
def valkey() -> Iterator[None]:
    """The embedded Valkey, as `make run` starts it, where the settings expect it."""
    settings.RUN_DIR.mkdir(parents=True, exist_ok=True)
    command = server_command(settings.DATA / "valkey", settings.RUN_DIR / "valkey.sock")
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 10
    while redis.ping() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="session")
def voice_networks() -> Path:
    """Returns the folder of models with what tells speakers apart, and fetches it the first time."""
    folder = Path(os.environ.get("WHISPER_WEIGHTS") or Path(__file__).resolve().parents[1] / "var" / "models")
    diarization_weights.ensure(folder, print_progress)
    return folder


@pytest.fixture(scope="session")
def speech() -> Path:
    """A folder of real speech in six languages, each WAV beside its text."""
    package = importlib.util.find_spec("pytest_audioeval")
    assert package is not None
    assert package.submodule_search_locations
    return Path(package.submodule_search_locations[0]) / "samples" / "audio"


@pytest.fixture(scope="session")
def fox(speech: Path) -> Path:
    """Under three seconds of English about a quick brown fox."""
    return speech / "en" / "quick_brown_fox.wav"


@pytest.fixture(scope="session")
def make_media(tmp_path_factory: pytest.TempPathFactory) -> MakeMedia:
    return MakeMedia(tmp_path_factory.mktemp("media"))


@pytest.fixture
def call(speech: Path, make_media: MakeMedia) -> Path:
    """The same voice on both channels of a call, one after the other."""
    fox, counting = str(speech / "en/quick_brown_fox.wav"), str(speech / "en/counting.wav")
    left, right = "[0]aresample=16000,apad=whole_dur=7[l]", "[1]aresample=16000,adelay=3500,apad=whole_dur=7[r]"
    graph = f"{left};{right};[l][r]join=inputs=2:channel_layout=stereo"
    return make_media("call.wav", "-i", fox, "-i", counting, "-filter_complex", graph)


@pytest.fixture
def fake_ffmpeg(tmp_path: Path) -> FakeFfmpeg:
    return FakeFfmpeg(tmp_path / "ffmpeg")


class FakeFfmpeg:
    """A shell script in ffmpeg's place, for what happens to processes and not to files."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def __call__(self, script: str) -> Iterator[None]:
        self.path.write_text(f"#!/bin/sh\n{script}\n")
        self.path.chmod(0o700)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ffmpeg, "find_ffmpeg", lambda: str(self.path))
            yield


class MakeMedia:
    """Real media in any format, made by ffmpeg."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, name: str, *arguments: str) -> Path:
        """`arguments` are ffmpeg's; made once a session for each name and arguments."""
        target = self.folder / hashlib.sha256(" ".join(arguments).encode()).hexdigest()[:8] / name
        target.parent.mkdir(exist_ok=True)
        if not target.exists():
            command = [find_ffmpeg(), "-v", "error", "-y", *arguments, str(target)]
            subprocess.run(command, check=True, capture_output=True)
        return target

    def tone(self, name: str, seconds: float, *arguments: str) -> Path:
        return self(name, "-f", "lavfi", "-i", f"sine=frequency=300:duration={seconds}", *arguments)
