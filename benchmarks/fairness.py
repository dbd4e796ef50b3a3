"""Is everybody served fairly, and does what people are told come true? `python -m benchmarks.fairness [--seed N]`.

Simulated days on the real queue: see benchmarks.simulation. On PostgreSQL: `python -m tests.postgres python -m …`.
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from django.db import connection  # noqa: E402 - models need the settings

from benchmarks.simulation import Arrival, Day, backlog, busy_day, customers, forget, jain  # noqa: E402
from benchmarks.table import machine, print_table  # noqa: E402

LOADS = (0.5, 0.8, 0.95, 1.2)


def estimates(seed: int, hours: float) -> list[list[str]]:
    """Estimates against what happened, for days from easy to overfull."""
    rows = []
    for load in LOADS:
        forget()
        day = Day(customers(20, concurrent=4))
        day.run(busy_day(20, hours, load, seed))
        errors = sorted(abs(told.eta - told.done) / told.done for told in day.told if told.eta is not None)
        waits = [told.waited for told in day.told]
        tenth = errors[int(0.9 * len(errors))]
        median, worst = statistics.median(errors), max(waits) / 60
        figures = [f"{load:.0%}", str(len(day.told)), f"{statistics.median(waits) / 60:.1f} min", f"{worst:.0f} min"]
        rows.append([*figures, f"{median:.0%}", f"{tenth:.0%}"])
    return rows


def shares(tenants: int, seed: int) -> list[str]:
    """Tenants with very different backlogs, for as long as all of them have something waiting."""
    forget()
    made = customers(tenants)
    for number, tenant in enumerate(made):
        backlog(tenant, count=100 * (number + 1), seconds=120 + 60 * ((number + seed) % 7))
    day = Day(made)
    day.run([], until=1)
    day.run([Arrival(1.0, 0, 60)], until=1500)
    served = [day.served[tenant.id] for tenant in made]
    return [str(tenants), f"{jain(served):.4f}", f"{min(served) / max(served):.3f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--hours", type=float, default=8)
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    name = connection.creation.create_test_db(verbosity=0)
    try:
        print(f"Seed {arguments.seed}, {machine()}, {connection.vendor}")
        head = ["load", "recordings", "median wait", "longest wait", "median error of the ETA", "90th percentile"]
        print_table("A busy day of 20 tenants", head, estimates(arguments.seed, arguments.hours))
        head = ["tenants", "Jain's index", "least over most served"]
        print_table("Unequal backlogs", head, [shares(count, arguments.seed) for count in (10, 20)])
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)


if __name__ == "__main__":
    main()
