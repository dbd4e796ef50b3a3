"""Processes that are started again, and that leave nobody behind. Real processes, real signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest

from tests.waiting import until

ROOT = Path(__file__).resolve().parents[3]


def run(program: str, *arguments: str) -> subprocess.Popen[str]:
    """Runs a supervisor in a process of its own, so that pytest neither forks nor handles its signals."""
    head = "import os, signal, sys, time\n"
    head += "from transcription.worker.process_supervisor import ManagedProcess, Supervisor, fork\n"
    return subprocess.Popen(
        [sys.executable, "-c", head + textwrap.dedent(program), *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def is_running(pid: int) -> bool:
    """A process that ended counts as gone, whether or not the machine's init has taken note."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def test_a_child_that_dies_is_started_again_with_one_line() -> None:
    supervisor = run(
        """
        with Supervisor(lambda line: print(line, flush=True)) as supervisor:
            supervisor.start(ManagedProcess("The child", lambda: fork("child", lambda: sys.exit(3))))
            supervisor.run()
        """
    )
    assert supervisor.stdout
    lines = [supervisor.stdout.readline().strip() for _ in range(2)]
    supervisor.send_signal(signal.SIGTERM)
    assert supervisor.wait(5) == 0
    assert lines == [
        "The child ended with exit code 3; it is started again in 0.5 s.",
        "The child ended with exit code 3; it is started again in 1 s.",
    ]


def test_a_killed_supervisor_leaves_nobody_behind() -> None:
    supervisor = run(
        """
        def fork_and_sleep():
            os.write(1, b"%d\\n" % fork("grandchild", lambda: time.sleep(60)))
            time.sleep(60)

        with Supervisor(print) as supervisor:
            supervisor.start(ManagedProcess("child", lambda: fork("child", fork_and_sleep)))
            os.write(1, b"%d\\n" % supervisor.processes[0].pid)
            supervisor.run()
        """
    )
    assert supervisor.stdout
    pids = [int(supervisor.stdout.readline()) for _ in range(2)]
    supervisor.kill()
    supervisor.wait(5)
    until(lambda: not any(is_running(pid) for pid in pids))


def test_a_process_that_runs_once_is_not_started_again() -> None:
    supervisor = run(
        """
        with Supervisor(lambda line: print("again", flush=True)) as supervisor:
            work = lambda: print("done", flush=True)
            supervisor.start(ManagedProcess("once", lambda: fork("once", work), runs_once=True))
            deadline = time.monotonic() + 1.5
            supervisor.run(every=lambda: time.monotonic() > deadline and os.kill(os.getpid(), signal.SIGTERM))
        """
    )
    assert supervisor.communicate(timeout=10)[0].split() == ["done"]


def up(data: Path, port: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`manage.py up` where it can't start."""
    environment = {
        **os.environ,
        "PORTAL_DATA": str(data),
        "PORT": str(port),
        "DJANGO_SETTINGS_MODULE": "portal.settings",
    }
    command = [sys.executable, "manage.py", "up", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)


def assert_one_clear_line(outcome: subprocess.CompletedProcess[str], words: str) -> None:
    assert outcome.returncode == 1
    said = [line for line in (outcome.stdout + outcome.stderr).splitlines() if line.strip()]
    assert len(said) == 1, said
    assert words in said[0]


def test_a_port_in_use_is_one_clear_line(tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert_one_clear_line(up(tmp_path, port), f"Port {port} on 127.0.0.1 can't be used: Address already in use.")


def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert_one_clear_line(up(tmp_path / "file" / "data", 8000), "can't be written: Not a directory.")


def test_a_full_disk_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from portal.supervisor import data_folder

    monkeypatch.setattr(data_folder, "LEAST_FREE_MIB", 10**9)
    with pytest.raises(data_folder.FolderRefused, match="is full"), data_folder.lock_folder(tmp_path, ""):
        pass


def test_one_supervisor_to_a_folder(tmp_path: Path) -> None:
    from portal.supervisor.data_folder import lock_folder

    with lock_folder(tmp_path, "process 7, http://127.0.0.1:8000"):
        outcome = up(tmp_path, 8000)
    assert_one_clear_line(outcome, "is running already")
    assert "process 7, http://127.0.0.1:8000" in outcome.stderr


@pytest.mark.parametrize("port", [0, 70000])
def test_a_port_is_a_port(tmp_path: Path, port: int) -> None:
    assert_one_clear_line(up(tmp_path, port), f"{port} is no port")


def test_a_gpuworker_has_its_name_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    from transcription.worker import gpu_worker

    monkeypatch.setattr(gpu_worker, "PREDECESSOR_SECONDS", 0.2)
    refused = pytest.raises(gpu_worker.AlreadyRunning, match="here:0")
    with gpu_worker.hold_name("here:0"), gpu_worker.hold_name("here:1"), refused, gpu_worker.hold_name("here:0"):
        pass
