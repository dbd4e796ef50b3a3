"""The best rung that passes its trial is taken, whatever happens in the others' child processes, and remembered."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest

from transcription.engine.gpu_check.checks import Case, Kind
from transcription.engine.gpu_check.ladder import LOSS_SECONDS, Chosen, Facts, Ladder
from transcription.engine.gpu_check.rungs import NAMES, RUNGS, Rung, rung_of
from transcription.engine.gpu_check.trial import Verdict, line_of, try_rung
from transcription.engine.models import FIRST_PATIENCE_SECONDS
from transcription.engine.types import EngineError
from transcription.models.engine import RUNGS as SHOWN

PASSES = f"print({line_of('greedy')!r}); print({line_of(Case('greedy', True, '0 %', '0 %'))!r})"
WRONG = f"print({line_of(Case('greedy', False, 'at most 1%', '40%: a horse', 'text'))!r})"
CRASHES = (
    f"import os, signal, sys; print({line_of('5 beams')!r}, flush=True); "
    "print('Fatal: an illegal address', file=sys.stderr, flush=True); os.kill(os.getpid(), signal.SIGSEGV)"
)
EXITS = f"import sys; print({line_of('open')!r}, flush=True); sys.exit('the driver says no')"
HANGS = f"import time; print({line_of('every slot')!r}, flush=True); time.sleep(60)"
CHATS = f"print('a library says hello'); {PASSES}"
READS = f"import time; print({line_of('open')!r}, flush=True); time.sleep(60)"
STARVES = f"import os; print({line_of('open')!r}, flush=True); os.kill(os.getpid(), 9)"
LACKS = f"print({line_of(Case('start', False, 'what it needs', 'cuBLAS is missing', 'missing'))!r})"


class Children:
    """Child processes whose program each rung has; all pass without one. `tried` are the rungs that had one."""

    def __init__(self, programs: dict[str, str] | None = None) -> None:
        self.programs = programs or {}
        self.tried: list[str] = []

    def __call__(self, rung: Rung) -> Verdict:
        self.tried.append(rung.name)
        program = self.programs.get(rung.name, PASSES)
        limit = 0.5 if program in (HANGS, READS) else 30.0
        return try_rung(rung, [sys.executable, "-S", "-E", "-c", program], limit)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "gpu-check.json"


def climbed(file: Path, children: Children, facts: Facts | None = None) -> Chosen:
    return Ladder(file, lambda rung: facts or {"the driver": "580"}, children).choose()


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        (WRONG, "greedy: 40%: a horse (required: at most 1%)"),
        (CRASHES, "its trial was ended by SIGSEGV at “5 beams”; its last words: Fatal: an illegal address"),
        (EXITS, "its trial ended with code 1 at “open”; its last words: the driver says no"),
        (HANGS, "its trial took longer than 0.5 s and was killed at “every slot”"),
        (LACKS, "start: cuBLAS is missing (required: what it needs)"),
    ],
)
def test_a_rung_fails_with_its_childs_last_words_and_the_next_one_is_taken(
    file: Path, program: str, reason: str
) -> None:
    chosen = climbed(file, Children({"graphs": program}))
    assert chosen.rung.name == "eager"
    assert f"runs with {chosen.rung.title}, not with CUDA graphs. graphs: {reason}. To do: " in chosen.notice


def test_a_library_that_prints_harms_no_trial(file: Path) -> None:
    assert climbed(file, Children({"graphs": CHATS})) == Chosen(rung_of("graphs"))


@pytest.mark.parametrize("failing", range(1, len(RUNGS)))
def test_each_rung_is_reached_when_those_above_fail_and_says_so(file: Path, failing: int) -> None:
    children = Children(dict.fromkeys(NAMES[:failing], WRONG))
    chosen = climbed(file, children)
    assert chosen.rung == RUNGS[failing]
    assert children.tried == list(NAMES[: failing + 1])[: len(NAMES) - 1]  # the CPU is not tried
    assert f"{', '.join(NAMES[:failing])}: greedy: 40%" in chosen.notice
    assert "gpu-check" in chosen.notice
    assert "WHISPER_RUNG" in chosen.notice


def test_where_only_torch_may_be_used_its_failure_is_an_error(file: Path) -> None:
    torch = [rung for rung in RUNGS if rung.backend == "torch"]
    ladder = Ladder(file, lambda rung: {}, Children(dict.fromkeys(NAMES, CRASHES)), torch)
    with pytest.raises(
        EngineError, match="nothing runs on the GPU: graphs, eager, math: its trial was ended by SIGSEGV"
    ):
        ladder.choose()


def test_verdicts_are_kept_good_ones_and_bad_ones(file: Path) -> None:
    first = climbed(file, Children({"graphs": CRASHES}))
    children = Children()
    assert climbed(file, children) == first
    assert children.tried == []


def test_a_verdict_is_void_when_a_fact_changes(file: Path) -> None:
    climbed(file, Children({"graphs": CRASHES}))
    children = Children()
    assert climbed(file, children, {"the driver": "595"}) == Chosen(rung_of("graphs"))
    assert children.tried == ["graphs"]


@pytest.mark.parametrize("kind", ["missing", "memory", "busy"])
def test_what_may_pass_by_itself_is_tried_at_the_next_start(file: Path, kind: Kind) -> None:
    short = f"print({line_of(Case('open', False, 'no error', 'there was none', kind))!r})"
    assert climbed(file, Children({"graphs": short})).rung.name == "eager"
    assert climbed(file, Children()).rung.name == "graphs"


@pytest.mark.parametrize("program", [READS, STARVES])
def test_what_was_killed_while_it_read_is_tried_at_the_next_start(file: Path, program: str) -> None:
    """The weights lay on a cold disk, or the machine's memory was full: that says nothing of the card."""
    chosen = climbed(file, Children({"graphs": program}))
    assert chosen.rung.name == "eager"
    assert "how fast the disk with the weights is" in chosen.notice
    assert climbed(file, Children()).rung.name == "graphs"


def test_what_is_killed_while_it_reads_twice_in_a_row_is_not_tried_a_third_time(file: Path) -> None:
    for _start in range(2):
        chosen = climbed(file, Children({"graphs": STARVES}))
    assert "look for Xid errors" in chosen.notice
    children = Children()
    assert climbed(file, children) == chosen
    assert children.tried == []


def test_a_hang_of_the_first_opening_counts_with_the_next_one() -> None:
    assert LOSS_SECONDS > FIRST_PATIENCE_SECONDS + 120


def test_a_damaged_record_is_made_anew(file: Path) -> None:
    file.write_text("{")
    assert climbed(file, Children()).rung.name == "graphs"
    assert json.loads(file.read_text())["verdicts"]["graphs"]["verdict"]["ok"]


def test_a_folder_that_cannot_be_written_only_costs_another_trial(tmp_path: Path) -> None:
    for _start in range(2):
        children = Children()
        assert climbed(tmp_path / "away" / "kept.json", children).rung.name == "graphs"
        assert children.tried == ["graphs"]


class TestLosses:
    @pytest.fixture(autouse=True)
    def clock(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000_000.0
        monkeypatch.setattr(time, "time", lambda: self.now)

    def lose(self, file: Path, after: float) -> Chosen:
        """Loses the device twice, each time in a new engine, and returns what the third one runs on."""
        for _engine in range(2):
            ladder = Ladder(file, lambda rung: {}, Children())
            ladder.note_loss(ladder.choose().rung, "an illegal address")
            self.now += after
        return Ladder(file, lambda rung: {}, Children()).choose()

    def test_two_within_minutes_drop_a_rung(self, file: Path) -> None:
        chosen = self.lose(file, after=60.0)
        assert chosen.rung.name == "eager"
        assert "graphs: the device was lost twice within 20 minutes: an illegal address" in chosen.notice

    def test_two_far_apart_drop_none(self, file: Path) -> None:
        assert self.lose(file, after=LOSS_SECONDS + 1) == Chosen(rung_of("graphs"))

    def test_a_new_check_gives_the_rung_another_chance(self, file: Path) -> None:
        self.lose(file, after=60.0)
        ladder = Ladder(file, lambda rung: {}, Children())
        assert ladder.choose(again=True) == Chosen(rung_of("graphs"))
        assert ladder.choose() == Chosen(rung_of("graphs"))


def test_pages_have_a_name_for_each_rung() -> None:
    assert tuple(name for name, _title in SHOWN) == NAMES
