"""The GPU against the roofline and its peers: `python -m benchmarks.gpu [--quick] [--out FILE.json]`.

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
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import gpu_capped, gpu_pipeline, gpu_roofline
from benchmarks.gpu_capped import Capped
from benchmarks.gpu_checks import Check, checks
from benchmarks.gpu_contestants import Contestant, Entry, crosses, entries, slot_decoder
from benchmarks.gpu_device import GIGABYTE, allocated, chosen_device, described, forget_peak, give_back, peak, wait
from benchmarks.gpu_model import LARGE_V3, TINY, Job, random_whisper, real_whisper
from benchmarks.gpu_roofline import Roofline
from benchmarks.table import print_table, spread
from transcription.engine.torch_backend.parameters import Parameters, of_whisper

WINDOW_SECONDS = 30.0
CLIP_TOKENS = 20
"""Of a clip of five seconds, about."""

CLIP_SLOTS = 16
CLIP_TURNS = 40


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
    if options.capped_child:
        gpu_capped.child(job, options.memory_gb)
        return 0
    capped = _capped(job, options)
    print(f"{described(device)}; {' '.join(sys.argv[1:])}")
    found = list(checks(device))
    _print_checks(found)
    rows, clips, roofline = _measured(job, options)
    _print_capped(capped)
    if options.out:
        report: dict[str, Any] = {"machine": described(device), "roofline": asdict(roofline), "clip_ms": clips}
        lists: dict[str, list[Any]] = {"checks": found, "rows": rows, "capped": capped}
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
    parser.add_argument("--memory-gb", type=float, default=9.8, help="cap of the memory check; 0 leaves it out")
    parser.add_argument("--capped-child", action="store_true", help=argparse.SUPPRESS)
    return parser


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split(","))


def _capped(job: Job, options: argparse.Namespace) -> list[Capped]:
    """First of all, while this process holds nothing on the device."""
    if job.device.type != "cuda" or not options.memory_gb:
        return []
    arguments = ["--capped-child", "--memory-gb", str(options.memory_gb), "--tokens", str(job.tokens)]
    try:
        return gpu_capped.in_a_child(arguments + ["--tiny"] * options.tiny)
    except Exception as error:
        return [Capped("", options.memory_gb, 0, 0.0, 0.0, _line(error))]


def _measured(job: Job, options: argparse.Namespace) -> tuple[list[Row], dict[str, list[float]], Roofline]:
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
    return rows, _clips(job, parameters), roofline


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


def _clips(job: Job, parameters: Parameters) -> dict[str, list[float]]:
    """Milliseconds from a short clip's spectrogram to its text, nothing else under way, ordered."""
    found = {}
    for cross in crosses():
        try:
            decoder = slot_decoder(parameters, CLIP_SLOTS, cross)
            decoder.warm_up()
            short = Job(job.device, job.dims, CLIP_TOKENS, job.label)
            times = []
            for _ in range(CLIP_TURNS if job.device.type == "cuda" else 2):
                mels = short.mels(1)
                wait(job.device)
                begin = time.perf_counter()
                gpu_pipeline.run(decoder, short, mels)
                times.append(1000 * (time.perf_counter() - begin))
            found[cross or "ours"] = sorted(times[1:])
        except Exception as error:
            print(f"a clip alone, {cross}: given up: {_line(error)}", flush=True)
    _print_clips(found)
    return found


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


def _print_clips(found: dict[str, list[float]]) -> None:
    rows = [
        [name, f"{times[len(times) // 2]:.1f} ms", f"{times[int(0.95 * len(times))]:.1f} ms"]
        for name, times in found.items()
        if times
    ]
    print_table(f"A clip alone, {CLIP_TOKENS} tokens", ["", "p50", "p95"], rows)


def _print_capped(capped: list[Capped]) -> None:
    if capped:
        rows = [
            [it.cross or "ours", it.failure or str(it.slots), f"{it.used:.2f} GB", f"{it.rtfx:.0f}"] for it in capped
        ]
        print_table(f"Below {capped[0].gigabytes} GB, synthetic", ["", "slots", "used at the peak", "RTFx"], rows)


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]


if __name__ == "__main__":
    sys.exit(main())
