"""An RQ worker that forks for each job and outlives Redis, but not its gpuworker."""

from __future__ import annotations

import logging
import os
import secrets
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial, wraps
from types import FrameType
from typing import Any, ParamSpec

import django.db.models.sql.compiler  # noqa: F401 - loaded here, before workers are forked, and not in each job
from channels.layers import get_channel_layer
from django.conf import settings
from django.db import connections
from django.utils import timezone
from redis.client import Pipeline
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError
from rq import Queue, Worker
from rq.exceptions import DequeueTimeout, InvalidJobOperation, StopRequested
from rq.executions import Execution
from rq.job import Job
from rq.serializers import JSONSerializer

from transcription import media, redis
from transcription.engine import vad
from transcription.queue import fairness, lifecycle, progress, wakeups
from transcription.queue.database_outage import retry_through_outage
from transcription.redaction import redact
from transcription.worker import parent_death
from transcription.worker.database_poller import DatabasePoller
from transcription.worker.job import WorkerSlot, occupy, work, worker_name
from transcription.worker.process_supervisor import run_once

log = logging.getLogger(__name__)
logging.getLogger("rq.worker").setLevel(logging.WARNING)  # RQ sets INFO on import, past our settings
Parameters = ParamSpec("Parameters")
WORKER_TTL_SECONDS = 20  # RQ waits five seconds for a wake-up then, and notices within fifteen that Redis hangs
HEARTBEAT = timedelta(seconds=30)
"""How often Redis is told of a worker, which it forgets after 80 s; RQ would tell it after each wait and each job."""


def preload() -> None:
    """Does before workers are forked what each job would have to do."""
    get_channel_layer()
    media.find_ffmpeg()
    media.without_network()
    vad.network()


def serve(number: int, count: int) -> None:
    """Runs worker `number` of so many until SIGTERM: on wake-ups from Redis, or else by polling the database."""
    lanes = fairness.lanes_of(number, count)
    occupy(WorkerSlot(number, lanes))
    while True:
        worker = _create_worker(number, lanes) if redis.is_writable() else None
        if worker is not None and _work_until_stopped(worker):
            return
        log.warning("Worker %d polls the database until Redis is back.", number)
        poller = DatabasePoller(work, _report_crash)
        poller.run(until=redis.is_writable)
        if poller.stop_requested:
            return


def _create_worker(number: int, lanes: Sequence[int]) -> LaneWorker | None:
    """Returns None while Redis is away."""
    with suppress(RedisError):
        return LaneWorker(
            wakeups.queue_names(lanes),
            name=f"{settings.GPUWORKER_NAME}-{number}-{secrets.token_hex(3)}",
            queue_class=LaneQueue,
            connection=redis.new_client(None),
            serializer=JSONSerializer,
            default_result_ttl=0,
            worker_ttl=WORKER_TTL_SECONDS,
            log_job_description=False,
        )
    return None


def _work_until_stopped(worker: LaneWorker) -> bool:
    """Returns True when a signal ended the work, and False when Redis became unusable."""
    with suppress(RedisError):
        worker.work()
    return worker.stop_requested


def _report_crash(pid: int) -> None:
    """Ends the attempt of a job whose process died, before its lease expires."""
    run_once("crash-reporter", partial(_release_claim, pid))


def _release_claim(pid: int) -> None:
    retry_through_outage(lifecycle.lose_attempt_of, worker_name(pid))
    progress.flush()
    connections.close_all()


class LaneQueue(Queue):
    """A queue that stops its worker while Redis is away, so that the worker polls the database."""

    @classmethod
    def dequeue_any(cls, *args: Any, **kwargs: Any) -> Any:
        """Raises rq's StopRequested where Redis is away or takes no writes."""
        try:
            return super().dequeue_any(*args, **kwargs)
        except DequeueTimeout:
            if redis.is_writable():
                raise
            raise StopRequested from None
        except (RedisConnectionError, RedisTimeoutError) as error:
            log.warning("Redis is away (%s).", error)
            raise StopRequested from None


def _ignoring_redis_errors(method: Callable[Parameters, Any]) -> Callable[Parameters, None]:
    @wraps(method)
    def call(*args: Parameters.args, **kwargs: Parameters.kwargs) -> None:
        with suppress(RedisError):
            method(*args, **kwargs)

    return call


class LaneWorker(Worker):
    """Takes wake-ups from the lanes in order, and finishes its job when Redis goes away meanwhile.

    RQ's command channel (a thread and a connection for each worker) and its suspension are left out: transcriptions
    are cancelled through the database.
    """

    log_result_lifespan = False
    _crashed_pid = 0

    set_state = _ignoring_redis_errors(Worker.set_state)
    maintain_heartbeats = _ignoring_redis_errors(Worker.maintain_heartbeats)
    set_shutdown_requested_date = _ignoring_redis_errors(Worker.set_shutdown_requested_date)
    register_death = _ignoring_redis_errors(Worker.register_death)

    @property
    def stop_requested(self) -> bool:
        """Whether a signal ended the work, and not the absence of Redis."""
        return self._shutdown_requested_date is not None

    def subscribe(self) -> None:
        pass

    def check_for_suspension(self, burst: bool) -> None:
        pass

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        if pipeline is None and self.last_heartbeat and abs(timezone.now() - self.last_heartbeat) < HEARTBEAT:
            return
        with suppress(RedisError):
            super().heartbeat(timeout, pipeline)

    def _install_signal_handlers(self) -> None:
        super()._install_signal_handlers()  # type: ignore[no-untyped-call]
        signal.signal(signal.SIGUSR1, self._forward_to_horse)

    def _forward_to_horse(self, number: int, _frame: FrameType | None) -> None:
        """Makes the work horse hand back its transcription: the gpuworker is about to end."""
        if self.horse_pid:
            with suppress(ProcessLookupError):
                os.kill(self.horse_pid, number)

    def wait_for_horse(self) -> tuple[int | None, int | None, Any]:
        pid, status, usage = super().wait_for_horse()
        self._crashed_pid = pid if pid and status else 0
        return pid, status, usage

    def monitor_work_horse(self, job: Job, queue: Queue, execution: Execution) -> None:
        """Reports a crash to the database; what Redis keeps of the wake-up may be lost."""
        try:
            with suppress(RedisError):
                super().monitor_work_horse(job, queue, execution)
        finally:
            if self._crashed_pid:
                _report_crash(self._crashed_pid)
                self._crashed_pid = 0

    def handle_job_success(self, job: Job, queue: Queue, *args: Any, **kwargs: Any) -> None:
        """Ignores that Redis may have forgotten the wake-up: its work is done."""
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
        """Redacts what RQ's dashboard shows of a failure."""
        super().handle_job_failure(job, queue, started_job_registry, redact(exc_string), execution)

    def main_work_horse(self, job: Job, queue: Queue) -> None:
        parent_death.die_with_parent(self.pid or 0)
        parent_death.set_process_name("horse")
        super().main_work_horse(job, queue)

    def setup_work_horse_signals(self) -> None:
        """Lets SIGUSR1 end a horse that has claimed nothing yet; the job handles it from then on."""
        super().setup_work_horse_signals()  # type: ignore[no-untyped-call]
        signal.signal(signal.SIGUSR1, signal.SIG_DFL)
