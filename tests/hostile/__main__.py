"""Sends the hostile requests to a started product: `python -m tests.hostile [arguments of pytest]`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

if __name__ == "__main__":
    sys.exit(pytest.main([str(Path(__file__).parent), *sys.argv[1:]]))
