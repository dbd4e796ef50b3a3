"""The engine's command line: fetch weights, serve, transcribe a file, measure."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from transcription.engine import arguments as argument
from transcription.engine import machine
from transcription.engine.gpu_check.rungs import NAMES, Rung, rung_of
from transcription.engine.types import LANES, MAX_BEAM_SIZE, MODES, DecodeOptions, EngineError, Segment
from transcription.log_lines import JsonFormatter

if TYPE_CHECKING:
    from transcription.engine.backend import Backend

DEFAULT_WEIGHTS = Path("var/models")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code. Raises SystemExit(2) for arguments that cannot be meant."""
    options = _parser().parse_args(arguments)
    _log_as(getattr(options, "log_format", "plain"))
    machine.number_gpus_as_the_driver_does()
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except (EngineError, OSError) as error:
        print(f"engine: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _log_as(format: str) -> None:
    """Sets up the log lines: `plain`, with the time as `text`, or as `json`."""
    handler = logging.StreamHandler()
    moment = "%(asctime)s " if format == "text" else ""
    line = logging.Formatter(f"{moment}engine: %(levelname)s: %(message)s")
    handler.setFormatter(JsonFormatter() if format == "json" else line)
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def _parser() -> argparse.ArgumentParser:
    parser = argument.Parser(prog="python -m transcription.engine", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    fetch = commands.add_parser("fetch", help="download a model's weights, checked")
    fetch.add_argument("model", type=argument.model)
    fetch.add_argument("--form", choices=("ctranslate2", "torch"), default="ctranslate2")
    fetch.set_defaults(command=_fetch)

    serve = commands.add_parser("serve", help="answer windows on a Unix socket")
    serve.add_argument("--socket", type=Path, required=True)
    serve.add_argument(
        "--models",
        type=argument.models,
        default="base",
        help="with commas; NAME=PATH or NAME=USER/REPOSITORY is your own",
    )
    serve.add_argument(
        "--unload-seconds", type=argument.count, default=0, help="unload a model after so long without use; 0: never"
    )
    serve.add_argument("--log-format", choices=("text", "json"), default="text", help="what log lines are")
    serve.add_argument("--unload-first", action="store_true", help="unload the first model, too")
    serve.add_argument(
        "--last-exit", type=int, default=0, help="how the engine before ended: its exit code, or minus its signal"
    )
    serve.set_defaults(command=_serve)

    transcribe = commands.add_parser("transcribe", help="print the text of a media file")
    transcribe.add_argument("file", type=argument.media)
    transcribe.add_argument("--format", choices=("lines", "jsonl"), default="lines")
    transcribe.set_defaults(command=_transcribe)

    bench = commands.add_parser("bench", help="measure long, short and crowded work")
    bench.add_argument("files", type=argument.media, nargs="+")
    bench.add_argument("--repeats", type=argument.repeats, default=3)
    bench.set_defaults(command=_bench)

    check = commands.add_parser("gpu-check", help="find out on which rung the GPU runs right and fast, and keep it")
    check.add_argument(
        "--models", "--model", type=argument.models, default="large-v3", help="as the engine is to serve them"
    )
    check.add_argument("--format", choices=("lines", "json"), default="lines")
    check.add_argument("--try", dest="attempt", choices=NAMES, help="only this rung, here, as lines of JSON")
    check.set_defaults(command=_gpu_check)

    for command in (fetch, serve, transcribe, bench, check):
        command.add_argument("--weights", type=Path, default=DEFAULT_WEIGHTS, metavar="DIR")
        command.add_argument("--mirror", action="append", default=[], metavar="URL")
    for command in (serve, transcribe, bench, check):
        _add_machine(command)
    for command in (transcribe, bench):
        _add_options(command)
    return parser


def _add_machine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--backend", choices=("auto", "openvino", "ctranslate2", "torch", "remote"), default="auto")
    parser.add_argument("--remote-url", default="", metavar="URL", help="remote: the server's API, http://HOST/v1")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--rung", choices=("auto", *NAMES), default="auto", help="on a GPU; auto: the best that passes")
    parser.add_argument(
        "--batch-size", type=argument.count, default=0, help="windows at once; 0: as many as are useful and fit"
    )
    parser.add_argument(
        "--cross-attention",
        choices=("auto", "keys_values", "int8", "absorbed"),
        default="auto",
        help="torch: how encodings are kept; int8 takes half of their memory, absorbed a sixtieth",
    )
    parser.add_argument("--threads", type=argument.count, default=0, help="CPU threads; 0: one a core")
    parser.add_argument("--memory-limit-mib", type=argument.count, default=0, help="0: no limit")


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", type=argument.model, default="base", help="or your own, as NAME=SOURCE")
    parser.add_argument("--language", type=argument.language, metavar="CODE")
    parser.add_argument("--task", choices=("transcribe", "translate"), default="transcribe")
    parser.add_argument("--temperature", type=argument.temperature, default=0.0)
    parser.add_argument("--prompt", default="", help="text that the recording might continue")
    parser.add_argument("--hotwords", default="", help="names and terms that every window is reminded of")
    parser.add_argument("--word-timestamps", action="store_true")
    parser.add_argument("--beam-size", type=int, choices=range(1, MAX_BEAM_SIZE + 1), default=1, metavar="N")
    parser.add_argument(
        "--keep-non-speech",
        action="store_true",
        help="hear what the voice detector is sure is no speech too, as openai-whisper does",
    )
    parser.add_argument("--mode", choices=MODES, default="fast")
    parser.add_argument("--lane", choices=LANES, default="standard")


def _decode_options(options: argparse.Namespace) -> DecodeOptions:
    return DecodeOptions(
        model=options.model.name,
        task=options.task,
        language=options.language,
        temperature=options.temperature,
        prompt=options.prompt,
        hotwords=options.hotwords,
        beam_size=options.beam_size,
        word_timestamps=options.word_timestamps,
        skip_non_speech=not options.keep_non_speech,
        lane=options.lane,
    )


def _fetch(options: argparse.Namespace) -> int:
    from transcription.engine.own_models.ensure import ensure_offered
    from transcription.engine.weights import print_progress

    path = ensure_offered(options.model, options.form, options.weights, print_progress, options.mirror)
    print(path)
    return 0


def _serve(options: argparse.Namespace) -> int:
    from transcription.engine import guard

    # Before anything that brings OpenMP is imported.
    machine.sleep_between_parallel_work()
    machine.keep_memory_together()
    from transcription.engine.backend_selection import weights_for
    from transcription.engine.gpu_check.choice import footing_of
    from transcription.engine.server import Server, Setup

    def set_up() -> Setup:
        footing = footing_of(options, options.models)
        if footing.notice:
            logging.getLogger(__name__).warning("%s", footing.notice)
        backend = _backend(options, footing.rung)
        on_cpu = footing.rung is not None and footing.rung.device == "cpu"
        find = partial(weights_for, backend, options.weights, options.mirror, options.models, on_cpu)
        batch_size = 1 if backend.name == "remote" else options.batch_size or (8 if backend.device == "cpu" else 16)
        return Setup(backend, find, batch_size, footing)

    guard.die_with_parent()
    names = [model.name for model in options.models]
    limits = options.memory_limit_mib, options.unload_seconds, options.unload_first
    return Server(names, options.socket, set_up, *limits).run()


def _backend(options: argparse.Namespace, rung: Rung | None) -> Backend:
    from transcription.engine.backend_selection import choose_backend

    return choose_backend(
        options.backend,
        options.device,
        options.threads,
        options.memory_limit_mib,
        options.batch_size,
        options.cross_attention,
        options.remote_url,
        rung,
    )


def _gpu_check(options: argparse.Namespace) -> int:
    from transcription.engine.gpu_check.choice import ladder_for
    from transcription.engine.gpu_check.report import report

    if options.attempt:
        return _try_rung(options)
    ladder = ladder_for(options, options.models)
    if ladder is None:
        raise EngineError("no GPU was found: check nvidia-smi, or try the same on the CPU with --device cpu")
    return report(ladder, options.rung, options.format)


def _try_rung(options: argparse.Namespace) -> int:
    from transcription.engine import guard
    from transcription.engine.backend_selection import weights_for
    from transcription.engine.gpu_check.checks import Case, Check
    from transcription.engine.gpu_check.trial import line_of

    guard.die_with_parent()
    rung, model = rung_of(options.attempt), options.models[0]
    rung = replace(rung, device="cpu", least_speed=0.0) if options.device == "cpu" else rung
    try:
        backend = _backend(options, rung)
        path = weights_for(backend, options.weights, options.mirror, [model], False, model.name)
    except EngineError as error:
        print(line_of(Case("start", False, "what it needs", str(error), "missing")))
        return 0
    check = Check(backend, model.name, path, rung, options.memory_limit_mib, published=not model.source)
    for event in check.run():
        print(line_of(event), flush=True)
    return 0


def _transcribe(options: argparse.Namespace) -> int:
    from transcription.engine.audio import begun, read_media
    from transcription.engine.local import local_engine
    from transcription.engine.modes import transcribe

    sound = begun(read_media(options.file))
    with local_engine(options) as client:
        for result in transcribe(client, sound, _decode_options(options), options.mode):
            for segment in result.segments:
                print(_line(segment) if options.format == "lines" else json.dumps(asdict(segment)), flush=True)
    return 0


def _line(segment: Segment) -> str:
    return f"[{segment.start:8.2f} -> {segment.end:8.2f}]{segment.text}"


def _bench(options: argparse.Namespace) -> int:
    from transcription.engine.audio import read_media
    from transcription.engine.bench import report
    from transcription.engine.local import local_engine

    print(f"{os.cpu_count()} cores; {' '.join(str(file.name) for file in options.files)}")
    clips = [b"".join(read_media(file)) for file in options.files]
    with local_engine(options) as client:
        report(client, clips, _decode_options(options), options.repeats)
    return 0
