"""The product on data of its own, with everything of it running, and a way to send it recordings."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg

from tests.chaos import recordings
from tests.chaos.callers import Accepted, Callers
from tests.chaos.orders import Orders
from tests.chaos.plan import Plan
from tests.chaos.process_group import ProcessGroup
from tests.chaos.recordings import Made
from tests.chaos.watch import Watch
from tests.waiting import until

READY_SECONDS = 180.0


class Installation:
    """Up within `with`. What lies in `folder`, logs included, stays until it is tidied up."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.folder = Path(tempfile.mkdtemp(prefix="wp-chaos-"))
        self.folder.chmod(0o755)
        self.media = self.folder / "media"
        self.orders = Orders(self.folder)
        self.processes = ProcessGroup(plan, self.folder)
        self.watch = Watch(self.processes.database.url)
        self.tenants: list[dict[str, Any]] = []

    def __enter__(self) -> Installation:
        """Raises TimeoutError where the engines do not get ready."""
        try:
            self.processes.start()
            self.tenants = self.processes.tenants()
            self.processes.open()
            self.watch.start()
            until(self.is_ready, READY_SECONDS, f"the engines; their logs: {self.processes.logs}")
        except BaseException:
            self.processes.stop()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        self.watch.stop()
        self.processes.stop()

    def tidy_up(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def is_ready(self) -> bool:
        try:
            ready = self.watch.rows("select count(*) from transcription_engine where ready and workers_alive > 0")
        except psycopg.Error:
            return False
        return bool(ready[0][0] == self.plan.gpuworkers)

    def send(self, made: Sequence[Made], tenant: int = 0) -> list[Accepted]:
        """Sends recordings as fast as they are taken."""
        callers = Callers(self.processes.url, self.plan.seed, [self.tenants[tenant]], lambda: True)
        callers.start(made)
        until(lambda: callers.are_done, READY_SECONDS, "uploads")
        return callers.accepted

    def send_one(self, number: int, seconds: float) -> Accepted:
        return self.send([recordings.make_of(self.plan.seed, number, self.media, seconds)])[0]

    def wait_for(self, accepted: Sequence[Accepted], seconds: float) -> None:
        """Until all are over. Raises TimeoutError."""
        wanted = [one.transcription for one in accepted]
        until(lambda: self.watch.are_over(wanted), seconds, "transcriptions to be over")
