from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest
from django.conf import settings

from tests.stack import Stack
from tests.webprocess import WebProcess, serving


@pytest.fixture(scope="session")
def sdk(stack: Stack) -> openai.OpenAI:
    """OpenAI's own Python SDK with nothing but another address and key."""
    return openai.OpenAI(base_url=f"{stack.url}/v1", api_key=stack.api_key, max_retries=0)


@pytest.fixture(scope="session")
def http(stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.url, headers=stack.bearer, timeout=120) as client:
        yield client


@pytest.fixture(scope="module")
def web_process(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebProcess]:
    """It tells the test database of itself now and then, so it doesn't outlive the module that wants it."""
    database = Path(settings.DATABASES["default"]["NAME"])
    with serving(database, tmp_path_factory.mktemp("web") / "web.log") as process:
        yield process


@pytest.fixture
def web(web_process: WebProcess, transactional_db: None) -> WebProcess:
    """One real web process on the test database, without an engine."""
    return web_process
