"""Runs one process of the product, with our points in it: `python -m tests.chaos.process ROLE …`.

ROLE is gpuworker, sweeper, web (with the listening socket's descriptor), engine, or tenants (with a number), which
prepares a database and prints the API keys. Beside the points, the only change is the engine's backend, which is
another one, or the real one with troubles; in the short
form, the waits between attempts and for a gpuworker that stops, and the patience with a batch, are shorter, too.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

SLOWNESS_VARIABLE = "CHAOS_SLOWNESS"
HASTE_VARIABLE = "CHAOS_HASTE"
REAL_VARIABLE = "CHAOS_REAL"


def gpuworker(_arguments: Sequence[str]) -> None:
    _set_up_django()
    from django.core.management import call_command

    from tests.chaos import points
    from transcription.leases import Backoff
    from transcription.queue import lifecycle
    from transcription.worker import gpu_worker

    haste = float(os.environ[HASTE_VARIABLE])
    lifecycle.BACKOFF = Backoff(tuple(seconds * haste for seconds in lifecycle.BACKOFF.delays))
    gpu_worker.FINISH_SECONDS *= haste
    plain = gpu_worker.engine_command
    gpu_worker.engine_command = lambda: [sys.executable, "-m", __spec__.name, "engine", *_after("serve", plain())]
    points.install_in_jobs()
    call_command("gpuworker")


def sweeper(_arguments: Sequence[str]) -> None:
    _set_up_django()
    from django.core.management import call_command

    from tests.chaos import points

    points.install_in_sweeper()
    call_command("sweeper")


def web(arguments: Sequence[str]) -> None:
    _set_up_django()
    from portal.http import uvicorn_server
    from portal.supervisor import process_set
    from tests.chaos import points

    points.install_in_web()
    listener = socket.socket(fileno=int(arguments[0]))
    uvicorn_server.serve(*map(int, _after(uvicorn_server.__name__, process_set.web_command(listener))[1:]))


def engine(arguments: Sequence[str]) -> None:
    from tests.chaos import backend
    from transcription.engine import backend_selection, cli, watchdog

    watchdog.LEAST_PATIENCE_SECONDS *= float(os.environ[HASTE_VARIABLE])
    if os.environ[REAL_VARIABLE]:
        choose = backend_selection.choose_backend
        disturbed: Any = lambda *args, **kwargs: backend.DisturbedBackend(choose(*args, **kwargs))  # noqa: E731
        backend_selection.choose_backend = disturbed
    else:
        slowness = float(os.environ[SLOWNESS_VARIABLE])
        backend_selection.choose_backend = lambda *_args, **_kwargs: backend.ChaosBackend(slowness)
        backend_selection.weights_for = lambda *_args: Path(backend.__file__)
    sys.exit(cli.main(arguments))


def tenants(arguments: Sequence[str]) -> None:
    _set_up_django()
    from django.core.management import call_command

    call_command("migrate", interactive=False, verbosity=0)
    print(json.dumps([_tenant(number) for number in range(int(arguments[0]))]))


def _tenant(number: int) -> dict[str, Any]:
    """A tenant whose limits are in nobody's way, with two keys."""
    from tenants import api_keys
    from tenants.models import Quota, Tenant

    tenant = Tenant.objects.create(name=f"Tenant {number}")
    quota = Quota.with_defaults(tenant)
    quota.monthly_seconds, quota.requests_per_minute = 10**7, 10**5
    quota.save()
    return {"id": str(tenant.id), "keys": [api_keys.issue(tenant, f"Key {n}")[1] for n in range(2)]}


def _set_up_django() -> None:
    import django

    django.setup()


def _after(word: str, command: list[str]) -> list[str]:
    """The command from `word` on."""
    return command[command.index(word) :]


ROLES: dict[str, Callable[[Sequence[str]], None]] = {
    role.__name__: role for role in (gpuworker, sweeper, web, engine, tenants)
}

if __name__ == "__main__":
    ROLES[sys.argv[1]](sys.argv[2:])
