"""An RQ worker that forks for each job and outlives Redis, but not its gpuworker."""

from __future__ import annotations

import logging
import os
import secrets
import signal
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from importlib import import_module
from types import FrameType
from typing import Any

from channels.layers import get_channel_layer
from django.conf import settings
from django.db import connections
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry
from rq import Queue, Worker
from rq.exceptions import DequeueTimeout, InvalidJobOperation, StopRequested
from rq.executions import Execution
from rq.job import Job
from rq.serializers import JSONSerializer

from transcription import media, redis
from transcription.queue import fairness, lifecycle, progress, wakeups
from transcription.queue.database_outage import patiently
from transcription.redaction import redact
from transcription.worker import parent_death
from transcription.worker.database_poller import Poller
from transcription.worker.process_supervisor import errand

log = logging.getLogger(__name__)
logging.getLogger("rq.worker").setLevel(logging.WARNING)  # RQ sets INFO on import, past our settings
WORKER_TTL_SECONDS = 20  # RQ waits five seconds for a wake-up then, and notices within fifteen that Redis hangs


class Bell(Queue):
    """A queue whose silence is an end, not an error: without Redis the worker looks into the database itself."""

    @classmethod
    def dequeue_any(cls, *args: Any, **kwargs: Any) -> Any:
        """Raises rq's StopRequested where Redis is away, or takes no wake-ups."""
        try:
            return super().dequeue_any(*args, **kwargs)
        except DequeueTimeout:
            if redis.is_writable():
                raise
            raise StopRequested from None
        except (RedisConnectionError, RedisTimeoutError) as error:
            log.warning("Redis is away (%s).", error)
            raise StopRequested from None


class LaneWorker(Worker):
    """Takes wake-ups from the lanes in order.

    Redis is a doorbell: while a recording is carried, its absence is no reason to stop. RQ's own command
    channel (a thread and a connection for each worker) is left out, since cancelling goes through the
    database, and so is suspension.
    """

    log_result_lifespan = False
    _ended_badly = 0

    @property
    def told_to_stop(self) -> bool:
        """Whether a signal ended the work, and not the absence of Redis."""
        return self._shutdown_requested_date is not None

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

    def wait_for_horse(self) -> tuple[int | None, int | None, Any]:
        pid, status, usage = super().wait_for_horse()
        self._ended_badly = pid if pid and status else 0
        return pid, status, usage

    def monitor_work_horse(self, job: Job, queue: Queue, execution: Execution) -> None:
        """Without Redis there is no record of the wake-up to bring up to date."""
        try:
            with suppress(RedisError):
                super().monitor_work_horse(job, queue, execution)
        finally:
            if self._ended_badly:
                _bury(self._ended_badly)
                self._ended_badly = 0

    def handle_job_success(self, job: Job, queue: Queue, *args: Any, **kwargs: Any) -> None:
        """The wake-up did its work, whether or not Redis still knows of it."""
        with suppress(RedisError, InvalidJobOperation):
            super().handle_job_success(job, queue, *args, **kwargs)

    def handle_job_failure(
        self,
        job: Job,
        queue: Queue,
        started_job_registry: Any = None,
        exc_string: str = "",
        execution: Execution | None = None,
    ) -> None:
        """What Redis keeps of a failure is shown in RQ's dashboard."""
        super().handle_job_failure(job, queue, started_job_registry, redact(exc_string), execution)

    def main_work_horse(self, job: Job, queue: Queue) -> None:
        parent_death.hold(self.pid or 0)
        parent_death.rename("horse")
        super().main_work_horse(job, queue)

    def setup_work_horse_signals(self) -> None:
        """Until the job says otherwise, SIGUSR1 ends a horse: it has claimed nothing yet."""
        super().setup_work_horse_signals()  # type: ignore[no-untyped-call]
        signal.signal(signal.SIGUSR1, signal.SIG_DFL)


def warm() -> None:
    """Loads what every horse would load anew, a tenth of a second late: call it before workers are forked."""
    for name in ("transcription.worker.job", "django.db.models.sql.compiler"):
        import_module(name)
    get_channel_layer()
    media.find_ffmpeg()
    media.without_network()


def serve(number: int) -> None:
    """The life of one worker process, until SIGTERM: wake-ups from Redis, or while it is away a look now and then."""
    jobs = import_module("transcription.worker.job")
    seat = jobs.Seat(number, fairness.lanes_of(number, settings.WORKERS))
    jobs.take_seat(seat)
    while True:
        worker = _born(seat.number, seat.lanes) if redis.is_writable() else None
        if worker is not None and _stopped(worker):
            return
        log.warning("Worker %d asks the database until Redis is back.", number)
        poller = Poller(jobs.work, _bury)
        poller.run(until=redis.is_writable)
        if poller.told_to_stop:
            return


def _stopped(worker: LaneWorker) -> bool:
    """Works until told to stop, or until Redis takes or gives nothing any more; whether it was the former."""
    with suppress(RedisError):
        worker.work()
    return worker.told_to_stop


def _born(number: int, lanes: Sequence[int]) -> LaneWorker | None:
    """None while Redis is away."""
    try:
        return LaneWorker(
            wakeups.queue_names(lanes),
            name=f"{settings.GPUWORKER_NAME}-{number}-{secrets.token_hex(3)}",
            queue_class=Bell,
            connection=Redis.from_url(settings.REDIS_URL, retry=Retry(NoBackoff(), 0)),
            serializer=JSONSerializer,
            default_result_ttl=0,
            worker_ttl=WORKER_TTL_SECONDS,
            log_job_description=False,
        )
    except RedisError:
        return None


def _bury(pid: int) -> None:
    """A child died on its transcription: that is known now, not when the lease expires."""
    errand("mourner", partial(_lose, pid))


def _lose(pid: int) -> None:
    jobs = import_module("transcription.worker.job")
    patiently(lifecycle.lose, jobs.worker_name(pid))
    progress.flush()
    connections.close_all()
