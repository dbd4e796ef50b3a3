"""Starts three hosts, cuts and kills one thing after the other, and checks that nothing is lost, doubled or changed."""

from __future__ import annotations

import argparse
import logging
import os
import platform
import subprocess
import sys
from pathlib import Path

from portal.supervisor.valkey import find_server
from tests import nginx
from tests.browser.conftest import find_chromium
from tests.chaos.postgres import Postgres
from tests.hosts.faults import Fault, all_faults, few_faults
from tests.hosts.installation import Installation
from tests.hosts.network import why_not
from tests.hosts.run import Run, kept, summary, table


def main() -> int:
    """0 when every promise was kept."""
    options = _parser().parse_args()
    logging.getLogger("httpx").setLevel(logging.ERROR)
    logging.basicConfig(level=logging.INFO if options.verbose else logging.ERROR, format="%(asctime)s %(message)s")
    if reason := why_not():
        print(f"No hosts can be made here: {reason}.", file=sys.stderr)
        return 2
    faults = [fault for fault in (few_faults() if options.short else all_faults()) if _is_wanted(fault, options.only)]
    print(f"{_versions()}\nleases of {options.lease} s, {len(faults)} faults …", flush=True)
    has_browser = find_chromium() is not None
    installation = Installation(options.lease, has_people=has_browser)
    with installation:
        run = Run(installation, options.seed, has_browser)
        try:
            report = run.go(faults)
        except BaseException:
            print(f"logs: {installation.logs}", file=sys.stderr)
            raise
        print(table(run, installation))
    print(summary(run, report))
    broken = kept(run, report)
    if broken or options.keep:
        print(f"logs: {installation.logs}")
    else:
        installation.tidy_up()
    return 1 if broken else 0


def _is_wanted(fault: Fault, only: list[str]) -> bool:
    return not only or any(word in fault.name for word in only)


def _versions() -> str:
    said = (
        [find_server(), "--version"],
        [Postgres(Path()).command()[0], "--version"],
        [nginx.NGINX, "-v"],
    )
    found = [subprocess.run(command, capture_output=True, text=True, check=False) for command in said]
    names = [(one.stdout or one.stderr).strip().split(" sha=")[0] for one in found]
    return f"{', '.join(names)}, Python {platform.python_version()}, {os.cpu_count()} cores"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.hosts", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lease", type=int, default=60, help="LEASE_SECONDS of the gpuworkers")
    parser.add_argument("--only", nargs="*", default=[], metavar="WORD", help="only faults with one of these words")
    parser.add_argument("--short", action="store_true", help="two faults")
    parser.add_argument("--verbose", action="store_true", help="say what is cut, and when")
    parser.add_argument("--keep", action="store_true", help="keep the logs, whatever comes out")
    return parser


if __name__ == "__main__":
    sys.exit(main())
