"""The engine's command line: fetch weights, serve, transcribe a file, measure."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from transcription.engine.types import LANES, DecodeOptions, EngineError

DEFAULT_WEIGHTS = Path("var/models")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    logging.basicConfig(level=logging.INFO, format="engine: %(levelname)s: %(message)s")
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except EngineError as error:
        print(f"engine: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m transcription.engine", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    fetch = commands.add_parser("fetch", help="download a model's weights, checked")
    fetch.add_argument("model")
    fetch.add_argument("--form", choices=("ctranslate2", "torch"), default="ctranslate2")
    fetch.set_defaults(command=_fetch)

    serve = commands.add_parser("serve", help="answer windows on a Unix socket")
    serve.add_argument("--socket", type=Path, required=True)
    serve.add_argument("--models", default="base", help="comma-separated; the first is tried first")
    serve.set_defaults(command=_serve)

    transcribe = commands.add_parser("transcribe", help="print the text of a media file")
    transcribe.add_argument("file", type=Path)
    transcribe.set_defaults(command=_transcribe)

    bench = commands.add_parser("bench", help="measure long, short and crowded work")
    bench.add_argument("files", type=Path, nargs="+")
    bench.add_argument("--repeats", type=int, default=3)
    bench.set_defaults(command=_bench)

    for command in (fetch, serve, transcribe, bench):
        command.add_argument("--weights", type=Path, default=DEFAULT_WEIGHTS, metavar="DIR")
        command.add_argument("--mirror", action="append", default=[], metavar="URL")
    for command in (serve, transcribe, bench):
        _add_machine(command)
    for command in (transcribe, bench):
        _add_options(command)
    return parser


def _add_machine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--backend", choices=("auto", "ctranslate2", "torch"), default="auto")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--batch-size", type=int, default=0, help="0: 4 on a CPU, 16 on a GPU")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0: one a core")
    parser.add_argument("--memory-limit-mib", type=int, default=0, help="0: no limit")


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="base")
    parser.add_argument("--language")
    parser.add_argument("--task", choices=("transcribe", "translate"), default="transcribe")
    parser.add_argument("--temperature", type=float, default=0.0)
    parser.add_argument("--prompt", default="")
    parser.add_argument("--word-timestamps", action="store_true")
    parser.add_argument("--lane", choices=LANES, default="standard")


def _decode_options(options: argparse.Namespace) -> DecodeOptions:
    return DecodeOptions(
        model=options.model,
        task=options.task,
        language=options.language,
        temperature=options.temperature,
        prompt=options.prompt,
        word_timestamps=options.word_timestamps,
        lane=options.lane,
    )


def _fetch(options: argparse.Namespace) -> int:
    from transcription.engine.weights import ensure, print_progress

    path = ensure(options.model, options.form, options.weights, print_progress, mirrors=options.mirror)
    print(path)
    return 0


def _serve(options: argparse.Namespace) -> int:
    from transcription.engine import guard
    from transcription.engine.choice import choose_backend, weights_for
    from transcription.engine.server import Server

    guard.die_with_parent()
    backend = choose_backend(options.backend, options.device, options.threads, options.memory_limit_mib)
    models = options.models.split(",")
    find = partial(weights_for, backend, models, options.weights, mirrors=options.mirror)
    batch_size = options.batch_size or (4 if backend.device == "cpu" else 16)
    return Server(backend, models, find, options.socket, batch_size).run()


def _transcribe(options: argparse.Namespace) -> int:
    from transcription.engine.audio import read_media
    from transcription.engine.local import local_engine
    from transcription.engine.windows import transcribe

    with local_engine(options) as client:
        decoding = _decode_options(options)
        results = transcribe(read_media(options.file), lambda windows: client.decode(windows, decoding))
        for result in results:
            for segment in result.segments:
                print(f"[{segment.start:8.2f} -> {segment.end:8.2f}]{segment.text}", flush=True)
    return 0


def _bench(options: argparse.Namespace) -> int:
    from transcription.engine.bench import report
    from transcription.engine.local import local_engine

    print(f"{os.cpu_count()} cores; {' '.join(str(file.name) for file in options.files)}")
    with local_engine(options) as client:
        report(client, options.files, _decode_options(options), options.repeats)
    return 0
