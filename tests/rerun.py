"""Runs pytest, and what failed once more, alone: `python -m tests.rerun OPTIONS…`, as CPython's regrtest does.

Hundreds of tests start processes, kill them or wait for them, beside each other. One that fails among thousands and
passes alone is named at the end, to be mended; one that fails twice fails the run. Many that fail are no accident.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

MOST = 10
CACHE = ".pytest_cache/rerun"


def main(options: list[str]) -> int:
    command = [sys.executable, "-m", "pytest", "-o", f"cache_dir={CACHE}"]
    status = subprocess.run([*command, "--cache-clear", *options], check=False).returncode
    failed = _failed()
    if status != pytest.ExitCode.TESTS_FAILED or not 0 < len(failed) <= MOST:
        return status
    print(f"\n{len(failed)} failed; once more, alone ...", flush=True)
    status = subprocess.run([*command, *options, "-n", "0", "-v", "--last-failed"], check=False).returncode
    if passed := [name for name in failed if name not in _failed()]:
        print("\nFailed among others, passed alone; each is a fault of the test or the product:", *passed, sep="\n  ")
    return status


def _failed() -> list[str]:
    path = Path(CACHE) / "v" / "cache" / "lastfailed"
    return sorted(json.loads(path.read_text())) if path.exists() else []


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
