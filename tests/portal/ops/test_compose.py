"""docker/compose.yaml beside the settings: what an operator sets reaches the containers."""

from __future__ import annotations

from typing import Any

import yaml

from portal import env
from tests.stack import ROOT

OF_THE_IMAGE = {"PORTAL_DATA", "HOST", "PORT", "STATIC_ROOT", "INCOMING_DIR", "UPLOADS_DIR", "DEBUG", "DEMO_ACCOUNTS"}
"""Folders and the address are the containers' own, and `manage.py up` does not run there."""
OF_DOCKER = {"CUDA_VISIBLE_DEVICES"}


def test_every_variable_can_be_set() -> None:
    compose: dict[str, Any] = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())
    services = [compose["x-portal"], *compose["services"].values()]
    passed = {name for service in services for name in service.get("environment", {})}
    assert env.VARIABLES.keys() - passed - OF_DOCKER == OF_THE_IMAGE
