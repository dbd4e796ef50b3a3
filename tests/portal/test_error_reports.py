"""What leaves the portal when something fails: no secret, and no second mail of the same within the hour."""

from __future__ import annotations

import logging
import logging.config
import os
import signal
import sys
from types import TracebackType
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMessage
from django.test import RequestFactory
from django.views.debug import get_default_exception_reporter_filter
from uvicorn.config import LOGGING_CONFIG

from portal import env
from portal.error_reports import ErrorMailHandler, ErrorReporter
from tenants.api_keys import secrets
from transcription import redis
from transcription.redaction import HIDDEN, RedactingFormatter, redact
from transcription.worker.job import failure_of

PASSWORD = "p@ss/w'rd & <more>"
SECRETS = {
    "SECRET_KEY": "a-secret-key-of-django",
    "SECRET_KEY_FALLBACKS": "an-older-key,the-oldest-key",
    "DATABASE_URL": "postgresql://portal:db%40pass%2Fword@db.example:5432/portal",
    "REDIS_URL": "rediss://:redis-password@redis.example:6379/0",
    "EMAIL_HOST_PASSWORD": PASSWORD,
    "S3_SECRET_KEY": "s3/secret+key",
}
KEY = secrets.make()
FORMS = {
    "an API key": KEY.text,
    "a ticket of a socket": "wst_" + "t" * 43,
    "a webhook's secret": "whsec_" + "w" * 43 + "=",
    "a session": "sessionid=j1h2g3f4d5s6a7q8w9e0; csrftoken=1a2b3c4d5e",
    "an authorization": "Authorization: Bearer abcdefghijklmnop",
    "somebody else's address": "https://alice:open-sesame@files.example/a.mp3",
    "a presigned address": "https://bucket.s3.example/a.mp3?X-Amz-Credential=AKIA&X-Amz-Signature=0123456789abcdef",
    "a link that sets a password": "/accounts/password/reset/key/1-cw7k3h-0123456789abcdef/",
    "a connection string": "host=db.example user=portal password=open-sesame dbname=portal",
    "a form": "{'login': 'alice@acme.example', 'password': 'open-sesame'}",
}
NOT_TO_BE_SEEN = (
    *("a-secret-key-of-django", "an-older-key", "the-oldest-key", "db@pass/word", "db%40pass", "redis-password"),
    *(PASSWORD, "s3/secret+key"),
)


@pytest.fixture(autouse=True)
def known(settings: LazySettings) -> None:
    settings.SECRETS = tuple(SECRETS.values())
    for name, value in SECRETS.items():
        setattr(settings, name, value)


def failing(*_arguments: object) -> tuple[type[BaseException], BaseException, TracebackType]:
    try:
        raise ConnectionError(f"no way to {SECRETS['DATABASE_URL']} with {PASSWORD!r} and db@pass/word")
    except ConnectionError:
        kind, error, tb = sys.exc_info()
        assert kind
        assert error
        assert tb
        return kind, error, tb


def record() -> logging.LogRecord:
    return logging.LogRecord("portal", logging.ERROR, __file__, 1, "Failed with %s", ("redis-password",), failing())


@pytest.mark.parametrize("name", FORMS)
def test_what_looks_like_a_secret_is_hidden(name: str) -> None:
    hidden = redact(f"It failed: {FORMS[name]}")
    assert HIDDEN in hidden
    for secret in ("wst_t", "whsec_w", "j1h2", "1a2b", "abcdefg", "open-sesame", "AKIA", "0123456789", KEY.text[12:]):
        assert secret not in hidden


def give_up(_signal: int, _frame: object) -> None:
    raise TimeoutError


@pytest.mark.parametrize("piece", ["://", "http://", "://a:", "https://a?", "password ", "Bearer ", ":", "wp_a-", " "])
def test_a_hostile_record_of_a_megabyte_keeps_nobody_waiting(piece: str) -> None:
    """Within a minute, that is: it takes a fraction of a second, or hours where the time grows with the square."""
    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(60)
    try:
        text = piece * (1_000_000 // len(piece))
        assert redact(f"{text}\n{KEY.text}").endswith(HIDDEN)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize(
    "text",
    [
        "seehttps://files.example/a.mp3?key=open-sesame",
        "https://mirror.example/https://files.example/a.mp3?key=open-sesame",
        "ftp://mirror.example/ then s3://alice:open-sesame@files.example/",
        "postgres://alice:open-sesame:/more@db.example/portal",
    ],
)
def test_an_address_beside_another_is_hidden_too(text: str) -> None:
    assert "open-sesame" not in redact(text)


def test_what_is_no_secret_stays() -> None:
    lines = (
        "Recording 7 of tenant 1 was deleted by alice@acme.example\nGET http://127.0.0.1:8000/recordings/ portal.web"
    )
    assert redact(lines) == lines


def test_a_short_password_is_hidden_as_a_word_only(settings: LazySettings) -> None:
    settings.SECRETS = ("portal",)
    assert redact("portal: whisper-portals") == f"{HIDDEN}: whisper-portals"


@pytest.mark.parametrize("debug", [False, True])
def test_no_report_has_a_secret(settings: LazySettings, debug: bool) -> None:
    settings.DEBUG = debug
    request = RequestFactory().post(
        "/accounts/login/?ticket=wst_" + "t" * 43,
        {"login": "alice@acme.example", "password": "correct horse"},
        headers={
            "authorization": "Bearer opaque-token-of-alice",
            "cookie": "sessionid=session-of-alice; other=kept-by-a",
        },
    )
    local = {"url": SECRETS["REDIS_URL"], "request": request}  # a variable of a frame in the report
    reporter = ErrorReporter(request, *failing(local))
    for report in (reporter.get_traceback_text(), reporter.get_traceback_html()):
        assert "ConnectionError" in report
        for secret in (*NOT_TO_BE_SEEN, "opaque-token", "session-of-alice", "correct horse", "wst_ttt", "kept-by-a"):
            assert secret not in report


def test_every_secret_variable_is_a_hidden_setting() -> None:
    reports = get_default_exception_reporter_filter()
    secret = [name for name, variable in env.VARIABLES.items() if variable.is_secret]
    assert set(SECRETS) <= set(secret)
    for name in secret:
        assert reports.cleanse_setting(name, "value") == reports.cleansed_substitute, name


def test_no_log_line_has_a_secret() -> None:
    line = RedactingFormatter("{message}", style="{").format(record())
    assert "ConnectionError" in line
    assert [secret for secret in NOT_TO_BE_SEEN if secret in line] == []


def test_what_is_kept_of_a_failure_has_no_secret() -> None:
    detail = failure_of(ConnectionError(f"{SECRETS['REDIS_URL']} and {PASSWORD}")).detail
    assert detail.startswith("ConnectionError")
    assert [secret for secret in NOT_TO_BE_SEEN if secret in detail] == []


@pytest.fixture
def mails(settings: LazySettings, mailoutbox: list[EmailMessage]) -> list[EmailMessage]:
    settings.ADMINS = [("", "olivia@portal.example")]
    for key in redis.connection().scan_iter("portal:mailed:*"):
        redis.connection().delete(key)
    return mailoutbox


def test_the_same_failure_is_mailed_once(mails: list[EmailMessage]) -> None:
    for _process in range(3):
        ErrorMailHandler().handle(record())
    assert len(mails) == 1
    text = f"{mails[0].subject}\n{mails[0].body}"
    assert "ConnectionError" in text
    assert [secret for secret in NOT_TO_BE_SEEN if secret in text] == []


def test_another_failure_is_mailed_too(mails: list[EmailMessage]) -> None:
    ErrorMailHandler().handle(record())
    try:
        raise ValueError("something else")
    except ValueError:
        other = logging.LogRecord("portal", logging.ERROR, __file__, 1, "Failed", (), sys.exc_info())
    ErrorMailHandler().handle(other)
    assert len(mails) == 2


def test_without_redis_it_is_mailed_once_all_the_same(
    mails: list[EmailMessage], settings: LazySettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    settings.REDIS_URL, settings.RUN_DIR = f"unix://{tmp_path}/nobody.sock", tmp_path
    redis.connection.cache_clear()
    try:
        for _process in range(3):
            ErrorMailHandler().handle(record())
        assert len(mails) == 1
        mark = next((tmp_path / "mailed").iterdir())
        os.utime(mark, (0, 0))
        ErrorMailHandler().handle(record())
        assert len(mails) == 2
    finally:
        redis.connection.cache_clear()


def test_a_password_that_is_not_written_as_in_a_url_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://portal:hunter/2@db.example/portal")
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL is no address") as refused:
        env.address("DATABASE_URL", "", "")
    assert "hunter" not in str(refused.value)
    assert refused.value.__suppress_context__


def test_the_engine_is_given_no_secret(monkeypatch: pytest.MonkeyPatch, settings: LazySettings) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    given = settings.ENVIRONMENT_WITHOUT_SECRETS()
    assert "PATH" in given
    assert not SECRETS.keys() & given.keys()


@pytest.mark.parametrize("name", ["uvicorn.error", "uvicorn.access", "django.request", "django.server", "rq.worker"])
def test_no_logger_of_others_has_a_handler_that_knows_nothing_of_our_secrets(name: str, settings: LazySettings) -> None:
    logging.config.dictConfig(LOGGING_CONFIG)  # as uvicorn does before it loads the application
    logging.config.dictConfig(settings.LOGGING)
    logger, handlers = logging.getLogger(name), list[logging.Handler]()
    while logger.name != "root":
        handlers += logger.handlers
        assert logger.propagate
        assert logger.parent
        logger = logger.parent
    assert handlers == []
    assert all(isinstance(one.formatter, RedactingFormatter) for one in logger.handlers if "pytest" not in str(one))
