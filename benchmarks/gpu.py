"""The goals on a GPU, the roofline and peers: `python -m benchmarks.gpu [--quick] [--goals] [--out FILE.json]`.

First the goals, each with its figure and the rung, through the product's own path (gpu_product.py); then contestants.

Needs torch, numpy, tiktoken and openai-whisper, and nothing else of the project; transformers takes
part where it is installed. large-v3's true dimensions, normally distributed weights, windows of
noise, as many tokens for every window as --tokens says, no thresholds: synthetic, but the same work
for all. --weights takes real ones. Contestants take turns; what is printed is the median of the
turns with the smallest and the largest; the first turn warms up. `--tiny` and no GPU: a smoke test.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import gpu_product, gpu_roofline
from benchmarks.gpu_checks import Check, checks
from benchmarks.gpu_contestants import Contestant, Entry, entries
from benchmarks.gpu_device import GIGABYTE, allocated, chosen_device, described, forget_peak, give_back, peak, wait
from benchmarks.gpu_model import LARGE_V3, TINY, Job, random_whisper, real_whisper
from benchmarks.gpu_product import OPENAI_MIB, Goal, Product
from benchmarks.gpu_roofline import Roofline
from benchmarks.table import print_table, spread
from transcription.engine.gpu_check.rungs import rung_of
from transcription.engine.torch_backend.parameters import of_whisper

WINDOW_SECONDS = 30.0


@dataclass
class Row:
    """What a contestant's turns measured. seconds, host_seconds: of each turn; the host's on all cores."""

    name: str
    label: str
    batch: int
    windows: int
    load_seconds: float
    tokens: int = 0
    peak_bytes: int = 0
    step_ms: float = 0.0
    roofline: float = 0.0
    roofline_overlapped: float = 0.0
    seconds: list[float] = field(default_factory=list)
    host_seconds: list[float] = field(default_factory=list)

    @property
    def middle(self) -> float:
        return sorted(self.seconds)[len(self.seconds) // 2]

    @property
    def rtfx(self) -> float:
        return WINDOW_SECONDS * self.windows / self.middle


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    device = chosen_device()
    job = Job(device, TINY if options.tiny else LARGE_V3, options.tokens, "synthetic")
    if options.limit_mib:
        print(json.dumps({"speed": _speed(options)}))
        return 0
    print(f"{described(device)}; {' '.join(sys.argv[1:])}")
    goals = _goals(options)
    if options.goals:
        return 0
    found = list(checks(device))
    _print_checks(found)
    rows, roofline = _measured(job, options)
    if options.out:
        report: dict[str, Any] = {"machine": described(device), "roofline": asdict(roofline)}
        lists: dict[str, list[Any]] = {"goals": goals, "checks": found, "rows": rows}
        report |= {name: [asdict(item) for item in items] for name, items in lists.items()}
        options.out.write_text(json.dumps(report, indent=1))
    return 0 if all(check.same == check.windows for check in found) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer windows in a turn")
    parser.add_argument("--out", type=Path, metavar="FILE.json")
    parser.add_argument("--tiny", action="store_true", help="a model of a few layers, for a smoke test")
    parser.add_argument("--tokens", type=int, default=100, help="to sample for every window")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--slots", type=_numbers, default=(1, 4, 16, 64), metavar="N,N")
    parser.add_argument("--batches", type=_numbers, default=(16, 64), metavar="N,N", help="of transformers")
    parser.add_argument("--weights", type=Path, metavar="PATH", help="real ones: a .pt file or a CTranslate2 folder")
    parser.add_argument("--model", default="large-v3", help="what --weights are called")
    parser.add_argument("--rung", choices=("graphs", "eager", "math"), default="graphs", help="of the ladder")
    parser.add_argument("--goals", action="store_true", help="nothing but the goals")
    parser.add_argument("--limit-mib", type=int, default=0, help=argparse.SUPPRESS)
    return parser


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split(","))


def _goals(options: argparse.Namespace) -> list[Goal]:
    """Measures and prints the goals; within a limit of memory first, while this process holds nothing on the GPU."""
    device, capped = chosen_device().type, None
    try:
        if device == "cuda":
            weights = ["--weights", str(options.weights)] if options.weights else []
            own = ["--rung", options.rung, "--model", options.model, *["--tiny"] * options.tiny, *weights]
            capped = gpu_product.speed_within(OPENAI_MIB, own)
    except Exception as error:
        print(f"within {OPENAI_MIB} MiB: not measured: {_line(error)}")
    try:
        with _product(options) as product:
            found = gpu_product.goals(product, options.quick, capped)
            slots, opened = product.slots, product.opened_seconds
    except Exception as error:
        print(f"the goals: given up: {_line(error)}")
        return []
    rung = rung_of(options.rung).title if device == "cuda" else "torch on the CPU"
    met = {True: "yes", False: "no", None: ""}
    rows = [[goal.name, goal.required, goal.found, met[goal.met], rung] for goal in found]
    title = f"Goals, through the product's path: {slots} slots, opened in {opened:.1f} s"
    print_table(title, ["", "goal", "found", "reached", "rung"], rows)
    return found


@contextmanager
def _product(options: argparse.Namespace, limit_mib: int = 0) -> Iterator[Product]:
    with ExitStack() as stack:
        weights = options.weights and (options.model, options.weights)
        name, path = weights or stack.enter_context(gpu_product.synthetic_weights(options.tiny))
        device = chosen_device().type
        product = Product(device, rung_of(options.rung), name, path, limit_mib, synthetic=not weights)
        stack.callback(product.close)
        yield product


def _speed(options: argparse.Namespace) -> float:
    with _product(options, options.limit_mib) as product:
        return WINDOW_SECONDS * 4 * product.slots / product.seconds(4 * product.slots)


def _measured(job: Job, options: argparse.Namespace) -> tuple[list[Row], Roofline]:
    roofline = gpu_roofline.measured(job.device)
    give_back(job.device)
    if options.weights:
        model = real_whisper(options.model, options.weights, job.device)
        job = Job(job.device, model.dims, job.tokens, options.weights.name)
    else:
        model = random_whisper(job.dims, job.device)
    parameters = of_whisper(model, job.device)
    contestants = list(_ready(job, entries(job, model, parameters, options.slots, options.batches, options.quick)))
    rows = _turns(job, contestants, options.repeats)
    for row in rows:
        least = partial(roofline.seconds, job, row.batch)
        row.roofline = least(overlapped=False) * row.windows / row.middle
        row.roofline_overlapped = least(overlapped=True) * row.windows / row.middle
    _print_rows(job, roofline, rows)
    contestants.clear()
    give_back(job.device)
    return rows, roofline


def _ready(job: Job, waiting: Iterator[Entry]) -> Iterator[Contestant]:
    """Those that can be got ready; of the others it is said why not."""
    for entry in waiting:
        contestant = None
        try:
            contestant = entry.ready(job)
        except Exception as error:
            print(f"{entry.name}: not measured: {_line(error)}", flush=True)
        if contestant is None:
            # Not while the error is handled, which holds on to what it failed with.
            give_back(job.device)
        else:
            yield contestant


def _turns(job: Job, contestants: list[Contestant], repeats: int) -> list[Row]:
    rows = {it.name: Row(it.name, job.label, it.batch, it.windows, it.load_seconds) for it in contestants}
    for turn in range(repeats + 1):
        for contestant in contestants:
            if contestant.name in rows:
                try:
                    seconds = _turn(job, contestant, rows[contestant.name], counts=turn > 0)
                    print(f"turn {turn}: {contestant.name}: {seconds:.3f} s", file=sys.stderr, flush=True)
                except Exception as error:
                    print(f"{contestant.name}: given up: {_line(error)}", flush=True)
                    del rows[contestant.name]
    return list(rows.values())


def _turn(job: Job, contestant: Contestant, row: Row, counts: bool) -> float:
    """One run, written down if it counts; its seconds."""
    mels = job.mels(contestant.windows)
    if contestant.timings is not None:
        contestant.timings.steps.clear()
    wait(job.device)
    before = allocated(job.device)
    forget_peak(job.device)
    begin, host = time.perf_counter(), time.process_time()
    tokens = contestant.run(mels)
    seconds, host_seconds = time.perf_counter() - begin, time.process_time() - host
    if tokens != contestant.windows * job.tokens:
        raise RuntimeError(f"{tokens} tokens instead of {contestant.windows * job.tokens}")
    if counts:
        row.tokens = tokens
        row.seconds.append(seconds)
        row.host_seconds.append(host_seconds)
        row.peak_bytes = max(row.peak_bytes, contestant.resident + peak(job.device) - before)
        row.step_ms = contestant.timings.step_ms if contestant.timings else 0.0
    return seconds


def _print_checks(found: list[Check]) -> None:
    rows = [
        [it.name, it.failure or f"{it.same} of {it.windows} windows", f"{it.largest_difference:.1e}"] for it in found
    ]
    print_table("The same tokens, by small random models", ["", "same tokens", "largest Δ logprob"], rows)


def _print_rows(job: Job, roofline: Roofline, rows: list[Row]) -> None:
    head = ["", "weights", "windows", "a turn", "RTFx", "windows/s", "tokens/s", "of the roofline", "overlapped"]
    head += ["host CPU ms/window", "queueing a step", "peak GB", "getting ready"]
    title = (
        f"{job.tokens} tokens a window; measured {roofline.flops / 1e12:.2f} TFLOP/s, "
        f"{roofline.bandwidth / 1e12:.3f} TB/s (host CPU: waiting for the device spins, and counts)"
    )
    print_table(title, head, [_cells(row) for row in rows])


def _cells(row: Row) -> list[str]:
    host = sorted(row.host_seconds)[len(row.host_seconds) // 2]
    return [
        row.name,
        row.label,
        str(row.windows),
        spread(row.seconds),
        f"{row.rtfx:.1f}",
        f"{row.windows / row.middle:.2f}",
        f"{row.tokens / row.middle:.0f}",
        f"{row.roofline:.1%}",
        f"{row.roofline_overlapped:.1%}",
        f"{1000 * host / row.windows:.1f}",
        f"{row.step_ms:.3f} ms" if row.step_ms else "",
        f"{row.peak_bytes / GIGABYTE:.2f}",
        f"{row.load_seconds:.1f} s",
    ]


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]


if __name__ == "__main__":
    sys.exit(main())
