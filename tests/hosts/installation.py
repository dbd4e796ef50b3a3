"""Three hosts, and what runs on each of them.

| host | product | what it leans on |
|---|---|---|
| a | web, sweeper | nginx, Valkey, Sentinel |
| b | web, sweeper, gpuworker | Valkey, Sentinel |
| c | gpuworker | PostgreSQL, S3 server, Prometheus, Valkey, Sentinel |
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg

from tests import nginx
from tests.chaos.orders import FOLDER_VARIABLE
from tests.chaos.postgres import Postgres
from tests.chaos.process import HASTE_VARIABLE, REAL_VARIABLE, SLOWNESS_VARIABLE
from tests.chaos.process_group import ROOT, ManagedProcess
from tests.chaos.watch import Watch
from tests.hosts import valkey
from tests.hosts.network import Network
from tests.waiting import until

HOSTS = "abc"
WEBS, GPUWORKERS, SWEEPERS = "ab", "bc", "ab"
DATABASE, STORE, FRONT = "c", "c", "a"
READY_SECONDS = 600.0
STOP_SECONDS = 20.0
VALKEY, SENTINEL, WEB, S3, PROMETHEUS, HTTPS = 6379, 26379, 8000, 5000, 9090, 443
TENANTS = 3
EMAIL, PASSWORD = "alice@acme.example", "correct horse battery"
MEMBER = f"""
from tenants.models import Member, Role, Tenant, User
tenant = Tenant.objects.get(id="%s")
Member.objects.create(tenant=tenant, user=User.objects.create_user("{EMAIL}", "{PASSWORD}"), role=Role.OWNER)
"""


class Installation:
    """Up within `with`. What lies in `folder`, logs included, stays until it is tidied up."""

    def __init__(self, lease: int, haste: float = 1.0, has_people: bool = True) -> None:
        self.lease = lease
        self._has_people = has_people
        self.haste = haste
        self.folder = Path(tempfile.mkdtemp(prefix="wp-hosts-"))
        self.folder.chmod(0o755)
        self.logs = self.folder / "logs"
        self.media = self.folder / "media"
        self.network = Network(HOSTS)
        self.url = f"https://{self.network.address(FRONT)}"
        self.members: dict[str, ManagedProcess] = {}
        self.tenants: list[dict[str, Any]] = []
        self._database = Postgres(self.folder / "pg")
        self.watch = Watch(self._database.url)  # by a socket, which no link that is cut concerns
        self._secret = secrets.token_urlsafe(48)
        self._open = ExitStack()
        self._ending = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="keeper", daemon=True)

    def __enter__(self) -> Installation:
        """Raises TimeoutError where the engines do not get ready."""
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        self.watch.stop()
        self._stop()

    def tidy_up(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(nginx.certificate(self.folder / "nginx")))

    def is_ready(self) -> bool:
        """Whether both engines have workers, and nginx a web process."""
        try:
            ready = self.watch.rows("select count(*) from transcription_engine where ready and workers_alive > 0")
            with httpx.Client(verify=self.tls, timeout=5) as http:
                return ready[0][0] == len(GPUWORKERS) and http.get(f"{self.url}/health").status_code == 200
        except (psycopg.Error, httpx.HTTPError):
            return False

    def scraped(self) -> set[str]:
        """The web processes that Prometheus reaches."""
        url = f"http://{self.network.address(DATABASE)}:{PROMETHEUS}/api/v1/query"
        found = httpx.get(url, params={"query": "up == 1"}, timeout=5).json()["data"]["result"]
        return {one["metric"]["instance"] for one in found}

    def primary(self) -> str:
        """The process that is Valkey's primary now."""
        for host in HOSTS:
            asked = ["valkey", self._cli("info", "replication", host=host)]
            if "role:master" in asked[1] and "connected_slaves:0" not in asked[1]:
                return f"valkey-{host}"
        return "valkey-c"

    def kill(self, name: str) -> None:
        """As when the power goes: what the process has started dies with it."""
        member = self.members[name]
        if member.process is None:
            return
        try:
            family = psutil.Process(member.process.pid)
            processes = [family, *family.children(recursive=True)]
        except psutil.NoSuchProcess:
            return
        for process in processes:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                pass

    def _cli(self, *words: str, host: str) -> str:
        import redis

        try:
            with redis.Redis(self.network.address(host), VALKEY, socket_timeout=1, socket_connect_timeout=1) as asked:
                answer: Any = asked.execute_command(*words)
        except redis.RedisError:
            return ""
        return answer.decode() if isinstance(answer, bytes) else "\n".join(f"{k}:{v}" for k, v in answer.items())

    def _start(self) -> None:
        self.logs.mkdir()
        self.logs.chmod(0o777)
        for name in ("uploads", "static"):
            (self.folder / name).mkdir()
        self._open.enter_context(self.network)
        self._database.prepare()
        self._database.open_to(self.network.network)
        self._keeper.start()
        self._add_basis()
        until(lambda: (self._database.folder / ".s.PGSQL.5432").exists(), 30, "PostgreSQL")
        with ThreadPoolExecutor(1) as beside:
            bucket = beside.submit(self._make_bucket)
            made = self._run(DATABASE, [sys.executable, "-m", "tests.chaos.process", "tenants", str(TENANTS + 1)])
            bucket.result()
        self.tenants = json.loads(made.splitlines()[-1])
        if self._has_people:
            self._let_people_in()
        self._add_product()
        self.watch.start()
        until(self.is_ready, READY_SECONDS, f"the engines; the logs: {self.logs}")

    def _make_bucket(self) -> None:
        s3 = f"http://{self.network.address(STORE)}:{S3}"
        until(lambda: _answers(s3), 60, "the S3 server")
        self._run(STORE, [sys.executable, str(ROOT / "manage.py"), "bucket"])

    def _let_people_in(self) -> None:
        """The last tenant is theirs."""
        manage = [sys.executable, str(ROOT / "manage.py")]
        self._run(DATABASE, [*manage, "collectstatic", "--noinput", "-v", "0"])
        self._run(DATABASE, [*manage, "shell", "--no-imports", "-c", MEMBER % self.tenants.pop()["id"]])

    def _stop(self) -> None:
        """The product first, then what it leans on."""
        self._ending.set()
        basis = [name for name in self.members if name.startswith(("postgres", "valkey", "sentinel", "s3"))]
        for names in ([name for name in self.members if name not in basis], basis):
            for name in names:
                self.members[name].send(signal.SIGCONT)
                self.members[name].send(self.members[name].stop_signal)
            deadline = time.monotonic() + STOP_SECONDS
            for name in names:
                process = self.members[name].process
                try:
                    if process:
                        process.wait(max(0.1, deadline - time.monotonic()))
                except subprocess.TimeoutExpired:
                    self.kill(name)
        if self._keeper.is_alive():
            self._keeper.join(5)
        self._open.close()

    def _add_basis(self) -> None:
        bare, network = dict(os.environ), self.network
        owner = self._database.user
        user = ["setpriv", "--reuid", owner, "--regid", owner, "--clear-groups", "--"] if owner else []
        self._add("postgres", DATABASE, [*user, *self._database.command(network.address(DATABASE))], bare)
        self.members["postgres"].stop_signal = signal.SIGINT
        moto = [sys.executable, "-m", "moto.server", "-H", network.address(STORE), "-p", str(S3)]
        self._add("s3", STORE, moto, bare)
        primary = network.address("c")
        for host in HOSTS:
            above = "" if host == "c" else primary
            place = (self.folder / f"valkey-{host}", network.address(host), VALKEY)
            self._add(f"valkey-{host}", host, valkey.server(*place, above, VALKEY, fewest=1), bare)
            watching = (self.folder / f"sentinel-{host}", network.address(host), SENTINEL)
            self._add(f"sentinel-{host}", host, valkey.sentinel(*watching, primary, VALKEY, 2), bare)

    def _add_product(self) -> None:
        network = self.network
        for host in GPUWORKERS:
            command = [sys.executable, "-m", "tests.chaos.process", "gpuworker"]
            self._add(f"gpuworker-{host}", host, command, self._environment(host))
        for host in WEBS:
            options = ["--http", "portal.http.connection_limits:BoundedHttpProtocol", "--ws", "websockets-sansio"]
            where = ["--host", network.address(host), "--port", str(WEB), "--lifespan", "off", "--no-access-log"]
            command = [sys.executable, "-m", "uvicorn", "portal.asgi:application", *where, *options]
            self._add(f"web-{host}", host, command, self._environment(host))
        for host in SWEEPERS:
            manage = [sys.executable, str(ROOT / "manage.py"), "sweeper"]
            self._add(f"sweeper-{host}", host, manage, self._environment(host))
        webs = [f"{network.address(host)}:{WEB}" for host in WEBS]
        front = nginx.command(self.folder / "nginx", network.address(FRONT), 80, HTTPS, webs, self.url)
        self._add("nginx", FRONT, front, dict(os.environ))
        self._add("prometheus", DATABASE, self._prometheus(webs), dict(os.environ))

    def _prometheus(self, webs: list[str]) -> list[str]:
        text = (ROOT / "docker" / "prometheus" / "prometheus.yml").read_text()
        text = text.replace('["web:8000"]', json.dumps(webs)).replace("rule_files: [alerts.yml]", "")
        file = self.folder / "prometheus.yml"
        file.write_text(text.replace("10s", "5s"))
        where = f"--web.listen-address={self.network.address(DATABASE)}:{PROMETHEUS}"
        return ["prometheus", f"--config.file={file}", f"--storage.tsdb.path={self.folder / 'tsdb'}", where]

    def _add(self, name: str, host: str, command: list[str], environment: dict[str, str]) -> None:
        inside = [*self.network.inside(host), *command]
        self.members[name] = ManagedProcess(name, inside, environment, self.logs / f"{name}.log")

    def _run(self, host: str, command: list[str]) -> str:
        inside = [*self.network.inside(host), *command]
        environment = self._environment(host)
        done = subprocess.run(inside, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stdout + done.stderr)
        return done.stdout

    def _environment(self, host: str) -> dict[str, str]:
        """As docs/operations.md has it for several hosts."""
        address = self.network.address
        sentinels = ",".join(f"{address(one)}:{SENTINEL}" for one in HOSTS)
        return {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "ignore",
            "DJANGO_SETTINGS_MODULE": "portal.settings",
            "SECRET_KEY": self._secret,
            "DATABASE_URL": f"postgresql://postgres@{address(DATABASE)}/postgres?target_session_attrs=read-write",
            "REDIS_URL": f"redis+sentinel://{sentinels}/{valkey.NAME}/0",
            "PORTAL_DATA": str(self.folder / f"data-{host}"),
            "UPLOADS_DIR": str(self.folder / "uploads"),
            "STATIC_ROOT": str(self.folder / "static"),
            "PORTAL_URL": self.url,
            "ALLOWED_HOSTS": ",".join(address(one) for one in HOSTS),
            "FORWARDED_ALLOW_IPS": address(FRONT),
            "S3_BUCKET": "portal",
            "S3_ENDPOINT_URL": f"http://{address(STORE)}:{S3}",
            "S3_REGION": "us-east-1",
            "S3_ACCESS_KEY": "of-three-hosts",
            "S3_SECRET_KEY": self._secret,
            "WHISPER_DEVICE": "cpu",
            "WHISPER_MODELS": "base",
            "LEASE_SECONDS": str(self.lease),
            "WORKERS": "3",
            "GPUWORKER_NAME": f"host-{host}:0",
            "ENGINE_SOCKET": str(self.folder / f"engine-{host}.sock"),
            "OPENBLAS_NUM_THREADS": "1",
            FOLDER_VARIABLE: str(self.folder),
            SLOWNESS_VARIABLE: "0.06",
            HASTE_VARIABLE: str(self.haste),
            REAL_VARIABLE: "",
        }

    def _keep(self) -> None:
        """All are started by this one thread, which lives as long as they: the kernel ties them to it."""
        while not self._ending.is_set():
            for member in list(self.members.values()):
                member.tend()
            time.sleep(0.05)
        while any(member.process and member.process.poll() is None for member in self.members.values()):
            time.sleep(0.1)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).status_code < 500
    except httpx.HTTPError:
        return False
