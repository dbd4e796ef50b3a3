"""Every command that the documentation names is one that there is, with these arguments.

Commands of `manage.py` and of the engine go through their own parsers, and what they name is looked for. curl is run,
by tests/portal/api/test_documented_requests.py. What is of other programs is only read, for the reason given.
"""

from __future__ import annotations

import importlib.util
import io
import re
import shlex
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import redirect_stderr
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from django.core.management import get_commands, load_command_class
from django.core.management.base import BaseCommand, CommandError

from tests.test_docs import PAGES, ROOT
from transcription.engine import cli

SAMPLE = ROOT / "docs" / "samples" / "quick_brown_fox.wav"
BLOCK = re.compile(r"^```(?:sh|bash)\n(.*?)^```", re.MULTILINE | re.DOTALL)
RUN_BY = r"python3?|\.venv/bin/python|(?:\S*/)?manage\.py|make|docker|systemctl|kubectl|promtool"
SPAN = re.compile(rf"`((?:\w+=\S+ |nice -n \d+ )*(?:{RUN_BY}) [^`\n]+)`")
READ_ONLY = {
    "docker": "there is no daemon here",
    "docker-compose": "there is no daemon here",
    "buildah": "it builds an image from the registries",
    "kubectl": "there is no cluster here",
    "systemctl": "it changes the machine",
    "sudo": "it changes the machine",
    "cp": "it changes the machine",
    "set": "it reads the machine's own file",
    ".": "it reads the machine's own file",
    "export": "what it sets is each reader's own",
    "cd": "it goes into what tar unpacked",
    "tar": "tests/portal/ops/test_bundle.py makes the file and unpacks it",
    **dict.fromkeys(("apt-get", "mkdir", "dpkg", "find"), "they fetch voices from Debian's archive"),
    "promtool": "tests/portal/ops/test_alerts.py runs it",
}
PREFIXES = [
    re.compile(r"^docker compose (?:-f \S+ )+exec (?P<service>\w+) "),
    re.compile(r"^kubectl exec deploy/(?P<deployment>\w+) -- "),
    re.compile(r"^nice -n \d+ "),
    re.compile(r"^(?:python|\.venv/bin/python) -m tests\.postgres (?=python)"),
    re.compile(r"^(?:[A-Z_]+=\S+ )+"),
]


@dataclass(frozen=True)
class Command:
    """A command as a page has it. is_whole: with all of its arguments; where it is only named they may be missing."""

    page: str
    text: str
    is_whole: bool = True

    def __str__(self) -> str:
        return f"{self.page}: {self.text[:70]}"


def commands_of(page: Path) -> Iterator[Command]:
    text = page.read_text()
    for block in BLOCK.findall(text):
        if "curl " in block:  # tests/portal/api/test_documented_requests.py has these
            continue
        joined = re.sub(r"\\\n\s*", " ", block)
        for line in _lines(joined):
            for one in _split(line):
                yield Command(page.name, one)
    for span in SPAN.findall(re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)):
        for one in _split(span):
            yield Command(page.name, one, is_whole=False)


def _lines(block: str) -> Iterator[str]:
    """Yields whole commands: quotes go over lines."""
    kept = ""
    for line in block.splitlines():
        kept = f"{kept}\n{line}" if kept else line
        try:
            shlex.split(kept, comments=True)
        except ValueError:
            continue
        yield kept
        kept = ""
    assert not kept, kept


def _split(line: str) -> Iterator[str]:
    """Yields the commands between `&&`, `|` and `;`, without comments, redirections and what assigns their output."""
    lexer = shlex.shlex(line, posix=False, punctuation_chars="&|;<>")
    lexer.whitespace_split, lexer.commenters = True, "#"
    words: list[str] = []
    for word in [*lexer, ";"]:
        if word in ("&&", "|", ";"):
            if words:
                yield " ".join(words)
            words = []
        elif word.startswith(("<", ">")):
            words.append(">")
        elif words and words[-1] == ">":
            words.pop()
        else:
            words.append(word)


ALL = [command for page in PAGES for command in commands_of(page)]


def stripped(text: str) -> str:
    """Returns a command without what it is run by, such as a container."""
    before = ""
    while before != text:
        before = text
        for prefix in PREFIXES:
            text = prefix.sub("", text)
    return re.sub(r"^(?:portal|manage\.py) ", "python manage.py ", text)


def judge(text: str, is_whole: bool = True) -> str:
    """Returns what is wrong with a command; "" for nothing."""
    words = shlex.split(stripped(text))
    program = words[0]
    if program in ("python", "python3", ".venv/bin/python") and words[1] == "manage.py":
        return of_manage(words[2:], is_whole)
    if program in ("python", ".venv/bin/python") and words[1] == "-m":
        return of_module(words[2], words[3:], is_whole)
    if program == "make":
        return of_make(words[1:])
    if program in READ_ONLY or re.match(r"\w+=", program) or program in ("portal()", "{", "}", "python3"):
        return missing_files(words[1:])
    return f"{program} is neither run nor read: enter it in READ_ONLY with the reason"


def of_manage(words: list[str], is_whole: bool) -> str:
    name = words[0] if words else ""
    if name not in get_commands():
        return f"manage.py has no {name}"
    app = get_commands()[name]
    command = app if isinstance(app, BaseCommand) else load_command_class(app, name)
    return parsed(command.create_parser("manage.py", name), words[1:], is_whole)


def of_module(module: str, words: list[str], is_whole: bool) -> str:
    if module == "transcription.engine":
        return parsed(cli._parser(), words, is_whole)
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return f"there is no module {module}"
    if not module.startswith(("benchmarks", "tests", "transcription")):
        return ""
    file = Path(spec.origin)
    source = "".join(one.read_text() for one in (file.parent.rglob("*.py") if file.name == "__init__.py" else [file]))
    options = {word.partition("=")[0] for word in words if word.startswith("--")}
    unknown = sorted(option for option in options if f'"{option}"' not in source)
    return f"{module} has no {unknown}" if unknown else ""


def parsed(parser: ArgumentParser, words: list[str], is_whole: bool) -> str:
    words = [str(SAMPLE) if re.search(r"\.(wav|flac)$|^FILE…?$", word) else word for word in words]
    said = io.StringIO()
    try:
        with redirect_stderr(said):
            parser.parse_args(words)
    except (CommandError, SystemExit) as refused:
        reason = said.getvalue().strip() or str(refused)
        return "" if not is_whole and "are required" in reason else f"its parser refuses it: {reason}"
    return ""


def of_make(words: list[str]) -> str:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    variables = set(re.findall(r"\$\((\w+)\)", makefile)) | {"PORT", "PORTAL_DATA"}
    named = [word.partition("=")[0] for word in words if "=" in word]
    unknown = [word for word in words if "=" not in word and word not in targets]
    return "".join(f"make has no {name}; " for name in [*unknown, *(set(named) - variables)])


def missing_files(words: list[str]) -> str:
    """Returns the files of the repository that a command of another program names, and that are not there."""
    named = [word for word in words if re.match(r"(docker|docs|tests|portal)/[\w./-]+$", word)]
    gone = [name for name in named if not (ROOT / name).exists() and not name.startswith("docker/certificates")]
    return f"there is no {gone}" if gone else ""


@pytest.mark.parametrize("page", sorted({command.page for command in ALL}))
def test_every_command_of_a_page_is_one_that_there_is(page: str) -> None:
    wrong = [
        f"{command.text}: {reason}"
        for command in ALL
        if command.page == page and (reason := judge(command.text, command.is_whole))
    ]
    assert not wrong, "\n".join(wrong)


def test_a_command_that_nobody_knows_is_noticed() -> None:
    assert "no frobnicate" in judge("python manage.py frobnicate")
    assert "parser refuses" in judge("manage.py doctor --frobnicate")
    assert "parser refuses" in judge("docker compose -f docker/compose.yaml exec web python manage.py tenant make")
    assert "has no ['--frobnicate']" in judge("python -m tests.chaos --frobnicate")
    assert "no module" in judge("python -m benchmarks.frobnicate")
    assert "make has no frobnicate" in judge("make frobnicate")
    assert "neither run nor read" in judge("frobnicate now")
    assert "there is no" in judge("docker build -f docker/Frobfile .")


def test_what_runs_in_containers_and_pods_runs_in_ones_that_there_are() -> None:
    services = set(yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())["services"])
    deployments = {file.stem for file in (ROOT / "docker" / "kubernetes").glob("*.yaml")}
    text = "".join(page.read_text() for page in PAGES)
    assert set(re.findall(r"compose.yaml exec (\w+)", text)) <= services
    assert set(re.findall(r"kubectl exec deploy/(\w+)", text)) <= deployments


def test_every_unit_that_is_named_is_there() -> None:
    named = re.findall(
        r"whisper-portal[\w-]*@?\d*\.?(?:service|timer|target)|whisper-portal-gpuworker@\w",
        "".join(page.read_text() for page in PAGES),
    )
    there = {file.name for file in (ROOT / "docker" / "systemd").iterdir()}
    assert {re.sub(r"@\w$", "@.service", name) for name in named} <= there


@pytest.mark.parametrize("unit", sorted((ROOT / "docker" / "systemd").glob("*.service")), ids=lambda unit: unit.name)
def test_units_start_what_there_is(unit: Path) -> None:
    for line in re.findall(r"^ExecStart=/srv/whisper-portal/\.venv/bin/python (.+)$", unit.read_text(), re.MULTILINE):
        assert not judge(f"python {line}"), line


def test_containers_start_what_there_is() -> None:
    for file in (ROOT / "docker").glob("compose*.yaml"):
        for service in yaml.safe_load(file.read_text())["services"].values():
            command = service.get("command", ())
            if command[:2] == ["python", "manage.py"]:
                assert not judge(shlex.join(command)), command
