"""Kills everything there is, again and again, and checks that nothing is lost, doubled, changed or charged twice."""

from __future__ import annotations

import argparse
import logging
import random
import sys

from tests.chaos.plan import Plan, short
from tests.chaos.run import carry_out


def main() -> int:
    """0 when every promise was kept."""
    options = _parser().parse_args()
    logging.getLogger("httpx").setLevel(logging.ERROR)
    logging.basicConfig(level=logging.INFO if options.verbose else logging.ERROR, format="%(asctime)s %(message)s")
    seed = options.seed if options.seed is not None else random.randrange(10_000)
    plan = (
        short(seed, options.real)
        if options.short
        else Plan(seed, options.transcriptions, options.workers, options.kills, options.outage, is_real=options.real)
    )
    print(f"Seed {seed}: {plan.transcriptions} transcriptions, {plan.kills} kills …", flush=True)
    report = carry_out(plan, options.keep)
    print(report.table())
    return 1 if report.faults else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, help="the same seed kills the same things; chosen and printed otherwise")
    parser.add_argument("--transcriptions", type=int, default=200)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--outage", type=float, default=60.0, help="seconds without Redis")
    parser.add_argument("--short", action="store_true", help="16 transcriptions, 6 kills, half a minute")
    parser.add_argument("--real", action="store_true", help="with Whisper base instead of an engine without a model")
    parser.add_argument("--verbose", action="store_true", help="say what is killed, and when")
    parser.add_argument("--keep", action="store_true", help="keep the logs, whatever comes out")
    return parser


if __name__ == "__main__":
    sys.exit(main())
