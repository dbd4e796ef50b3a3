"""An RQ worker that forks for each job and outlives Redis, but not its gpuworker."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import time
from contextlib import suppress
from importlib import import_module
from types import FrameType
from typing import Any

from channels.layers import get_channel_layer
from django.conf import settings
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, Worker
from rq.executions import Execution
from rq.job import Job
from rq.serializers import JSONSerializer

from transcription import lifeline, media
from transcription.queue import lane_names

log = logging.getLogger(__name__)
logging.getLogger("rq.worker").setLevel(logging.WARNING)  # RQ sets INFO on import, past our settings
BIRTH_RETRY_SECONDS = 2.0
WORKER_TTL_SECONDS = 30


class LaneWorker(Worker):
    """Takes wake-ups from the lanes in order.

    Redis is a doorbell: while a recording is carried, its absence is no reason to stop. RQ's own command
    channel (a thread and a connection for each worker) is left out, since cancelling goes through the
    database, and so is suspension.
    """

    max_connection_wait_time = 5.0
    log_result_lifespan = False

    def subscribe(self) -> None:
        pass

    def check_for_suspension(self, burst: bool) -> None:
        pass

    def set_state(self, state: str, pipeline: Any = None) -> None:
        with suppress(RedisError):
            super().set_state(state, pipeline)

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        with suppress(RedisError):
            super().heartbeat(timeout, pipeline)

    def maintain_heartbeats(self, job: Job, execution: Execution) -> None:
        with suppress(RedisError):
            super().maintain_heartbeats(job, execution)

    def set_shutdown_requested_date(self) -> None:
        with suppress(RedisError):
            super().set_shutdown_requested_date()  # type: ignore[no-untyped-call]

    def register_death(self) -> None:
        with suppress(RedisError):
            super().register_death()  # type: ignore[no-untyped-call]

    def _install_signal_handlers(self) -> None:
        super()._install_signal_handlers()  # type: ignore[no-untyped-call]
        signal.signal(signal.SIGUSR1, self._tell_horse)

    def _tell_horse(self, number: int, _frame: FrameType | None) -> None:
        """Our gpuworker must go: the horse hands its transcription back."""
        if self.horse_pid:
            with suppress(ProcessLookupError):
                os.kill(self.horse_pid, number)

    def main_work_horse(self, job: Job, queue: Queue) -> None:
        lifeline.hold(self.pid or 0)
        lifeline.rename("horse")
        super().main_work_horse(job, queue)

    def setup_work_horse_signals(self) -> None:
        """Until the job says otherwise, SIGUSR1 ends a horse: it has claimed nothing yet."""
        super().setup_work_horse_signals()  # type: ignore[no-untyped-call]
        signal.signal(signal.SIGUSR1, signal.SIG_DFL)


def warm() -> None:
    """Loads what every horse would load anew, a tenth of a second late: call it before workers are forked."""
    for name in ("transcription.jobs", "django.db.models.sql.compiler"):
        import_module(name)
    get_channel_layer()
    media.find_ffmpeg()
    media.without_network()


def serve(number: int) -> None:
    """The life of one worker process, until SIGTERM."""
    _born(number).work()


def _born(number: int) -> LaneWorker:
    """Waits for Redis as long as it takes."""
    name = f"{settings.GPUWORKER_NAME}-{number}-{secrets.token_hex(3)}"
    waiting = False
    while True:
        try:
            return LaneWorker(
                lane_names(),
                name=name,
                connection=Redis.from_url(settings.REDIS_URL),
                serializer=JSONSerializer,
                default_result_ttl=0,
                worker_ttl=WORKER_TTL_SECONDS,
                log_job_description=False,
            )
        except RedisError as error:
            if not waiting:
                log.warning("Worker %d waits for Redis (%s).", number, error)
            waiting = True
            time.sleep(BIRTH_RETRY_SECONDS)
