from __future__ import annotations

from collections.abc import Iterator

import httpx
import openai
import pytest

from tests.stack import Stack


@pytest.fixture(scope="session")
def sdk(stack: Stack) -> openai.OpenAI:
    """OpenAI's own Python SDK with nothing but another address and key."""
    return openai.OpenAI(base_url=f"{stack.url}/v1", api_key=stack.api_key, max_retries=0)


@pytest.fixture(scope="session")
def http(stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.url, headers=stack.bearer, timeout=120) as client:
        yield client
