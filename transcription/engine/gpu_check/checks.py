"""What a model must do on the clip before it is let near recordings."""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal, cast

from transcription.engine.backend import (
    Backend,
    Decoded,
    DeviceBusy,
    DeviceLost,
    OutOfDeviceMemory,
    StepModel,
    WordTiming,
    Work,
)
from transcription.engine.gpu_check import clip
from transcription.engine.gpu_check.card import find_card
from transcription.engine.gpu_check.rungs import Rung
from transcription.engine.probe import AT_ONCE, decode_all
from transcription.engine.types import DecodeOptions, DoesNotFit, EngineError

Kind = Literal["", "missing", "memory", "busy", "unread", "text", "slow", "card", "broken"]
"""Of a failure: what it is that is to be put right."""

ONE_POINT = 0.01
SAMPLED_ERRORS = 0.1
"""A text that is sampled may have two words of the clip's 22 wrong."""

LOGPROB_BOUND = 0.05
"""How far the mean log-probability of a token may be from that in float32: rounding to fp16 moves it by some 0.001."""

WORD_SECONDS = 0.3
"""How far the words' beginnings may be off, at the median."""

BEAMS = 5
BEAM_KIND, SAMPLED_KIND = f"{BEAMS} beams", "temperature 0.2"
KINDS: dict[str, tuple[float, int, str]] = {
    "greedy": (0.0, 1, ""),
    "prompted": (0.0, 1, clip.BEFORE),
    SAMPLED_KIND: (0.2, 1, ""),
    BEAM_KIND: (0.0, BEAMS, ""),
}
"""Temperature, beams and prompt of each kind of window."""

EXCERPT = 80
ENCODED_AT_ONCE = 8
MOST_SLOTS = 256

MOST_HALVINGS = 2
"""How often memory may run out with all slots: what fits is an estimate."""


@dataclass(frozen=True, slots=True)
class Case:
    """What was required and what was found."""

    name: str
    ok: bool
    required: str
    found: str
    kind: Kind = ""


@dataclass
class Check:
    """Runs a backend's model as the engine does.

    published: whether it is of the catalogue, whose models all hear the clip's text; an operator's own may have been
    trained for another language, and is only compared with itself. limit_mib: the memory that it may take; 0 for all.
    """

    backend: Backend
    name: str
    path: Path
    rung: Rung
    limit_mib: float
    published: bool
    used_before: float = 0.0
    halved: int = 0
    alone: dict[str, Decoded] = field(default_factory=dict)
    expected: dict[str, str] = field(default_factory=dict)

    def run(self) -> Iterator[str | Case]:
        """Yields the name of each case before it begins, and what came of it; stops at the first that raises."""
        card = find_card()
        self.used_before = card.used_mib if card else 0.0
        for name, case in self._cases().items():
            yield name
            try:
                yield replace(case(), name=name)
            except Exception as error:
                yield Case(name, False, "no error", _told(error), _kind(error))
                return

    def _cases(self) -> dict[str, Callable[[], Case]]:
        cases: dict[str, Callable[[], Case]] = {"open": self._open, "language": self._language}
        cases |= {kind: partial(self._one, kind) for kind in KINDS}
        cases |= {
            "word times": self._word_times,
            "every slot": self._every_slot,
            "speed": self._speed,
            "out of memory": self._out_of_memory,
        }
        if self.rung.name == "graphs":
            cases["without graphs"] = self._without_graphs
        return cases | {"peak memory": self._peak, "float32": self._float32}

    def _open(self) -> Case:
        began = time.monotonic()
        self.model = self.backend.open(self.name, self.path)
        backend = self.backend
        return _case(True, "it opens", f"{backend.compute_type} on {backend.device}, {time.monotonic() - began:.1f} s")

    def _language(self) -> Case:
        work = Work(clip.window(), DecodeOptions(self.name))
        self.model.encode([work])
        found = self.model.detect([work])[0]
        required = "en" if self.published else ""
        return _case(
            found.code == "en" or not self.published, required, f"{found.code}, {found.probability:.2f}", "text"
        )

    def _one(self, kind: str) -> Case:
        try:
            [self.alone[kind]] = found = self._decoded([self._work(kind)])
        except (DoesNotFit, OutOfDeviceMemory) as error:
            if kind != BEAM_KIND:
                raise
            # As in the engine, where such a search fails alone.
            return _case(True, "", f"{error} (nothing else is affected)")
        if not self.published:
            self.expected[kind] = found[0].text
            return _case(True, "", f"{len(found[0].tokens)} tokens")
        self.expected[kind] = clip.TEXT
        case = self._heard([kind], found)
        return case if case.ok or kind == "greedy" else self._arbitrated(kind, case)

    def _arbitrated(self, kind: str, case: Case) -> Case:
        """Accepts a text that is not the clip's if it is the model's own in float32, too: then the GPU is right."""
        if not self._has_float32:
            return case
        try:
            exact = self._in_float32(kind).text
        except OutOfDeviceMemory:
            return case
        if clip.word_error_rate(self.alone[kind].text, exact) > ONE_POINT:
            return case
        self.expected[kind] = exact
        return replace(case, ok=True, kind="", found=f"{case.found}, in float32, too")

    def _word_times(self) -> Case:
        works = [self._work("greedy")]
        found = self._decoded(works)
        return self._timed(found, self._aligned(works, found))

    def _every_slot(self) -> Case:
        """Fills all slots with windows of all kinds, and times the words of all of them."""
        count, kinds = self._slots(), [kind for kind in KINDS if kind != BEAM_KIND]
        mixed = [kinds[index % len(kinds)] for index in range(count)]
        mixed += [BEAM_KIND, BEAM_KIND] if BEAM_KIND in self.alone else []
        works = [self._work(kind, index) for index, kind in enumerate(mixed)]
        found = self._decoded(works)
        case, timed = self._heard(mixed, found), self._timed(found, self._aligned(works, found))
        return case if not case.ok else replace(timed, found=f"{case.found}; {timed.found}")

    def _speed(self) -> Case:
        works, began = self._crowd(), time.monotonic()
        found, seconds = self._decoded(works), time.monotonic() - began
        heard, speed = self._heard(["greedy"] * len(works), found), len(works) * works[0].window.end / seconds
        told = f"{speed:.0f} × real time with {len(works)} windows"
        if not heard.ok:
            return heard
        return _case(speed >= self.rung.least_speed, f"at least {self.rung.least_speed:g} × real time", told, "slow")

    def _float32(self) -> Case:
        """Compares with float32, apart from the slots; with one slot only where memory doesn't suffice beside all."""
        if not self._has_float32:
            return _case(True, "", f"not compared: this runs in {self.backend.compute_type}, with nothing beside it")
        try:
            return self._compared_with_float32()
        except OutOfDeviceMemory:
            self._open_again(slots=1)
            return self._compared_with_float32()

    def _compared_with_float32(self) -> Case:
        exact, found = self._in_float32("greedy"), self.alone["greedy"]
        off = abs(exact.avg_logprob - found.avg_logprob)
        wrong = clip.word_error_rate(found.text, exact.text) > ONE_POINT
        told = f"{off:.4f}" + (f", but the text is {exact.text.strip()!r}" if wrong else "")
        required = f"log-probabilities off by at most {LOGPROB_BOUND} a token, and the same text"
        return _case(off <= LOGPROB_BOUND and not wrong, required, told, "text")

    @property
    def _has_float32(self) -> bool:
        return not self.backend.workers and self.backend.compute_type != "float32"

    def _in_float32(self, kind: str) -> Decoded:
        work = self._work(kind)
        self.model.encode([work])
        return cast("StepModel", self.model).decode_apart(work)

    def _out_of_memory(self) -> Case:
        """Lets memory run out; afterwards the text must be the same."""
        if self.backend.device == "cpu" or not self.rung.needs_torch:
            return _case(True, "", "not tried: only torch's memory on a GPU can be limited")
        from transcription.engine.torch_backend.limit import no_more_memory

        works, refused = [*self._crowd()[:ENCODED_AT_ONCE], self._work(BEAM_KIND)], ""
        with no_more_memory(self.limit_mib):
            try:
                self._decoded_at_once(works)
            except (OutOfDeviceMemory, DoesNotFit) as error:
                refused = str(error)
        same = self._decoded([self._work("greedy")])[0].tokens == self.alone["greedy"].tokens
        told = f"{refused or 'memory did not run out'}; {'the same' if same else 'another'} text afterwards"
        return _case(bool(refused) and same, "windows are refused, and nothing else changes", told, "broken")

    def _without_graphs(self) -> Case:
        """Opens the model again without CUDA graphs, and compares tokens, those that are sampled, too."""
        crowd = self._decoded(self._crowd())
        self._open_again(graphs=False)
        again = {kind: self._decoded([self._work(kind)])[0] for kind in self.alone}
        pairs = [(self.alone[kind], found) for kind, found in again.items()]
        pairs += zip(crowd, self._decoded(self._crowd()), strict=False)
        differ = sum(one.tokens != other.tokens for one, other in pairs)
        return _case(not differ, "the same tokens", f"{differ} of {len(pairs)} texts differ", "text")

    def _peak(self) -> Case:
        cap, found = self.limit_mib, self._peak_mib()
        required = f"at most {cap:.0f} MiB" if cap else "no cap"
        told = f"{found:.0f} MiB" + (f"; memory ran out {self.halved} times" if self.halved else "")
        return _case(not cap or found <= cap, required, told, "memory")

    def _peak_mib(self) -> float:
        if self.backend.device == "cpu":
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        if self.rung.needs_torch:
            from transcription.engine.torch_backend.limit import peak_mib

            return peak_mib()
        card = find_card()
        return card.used_mib - self.used_before if card else 0.0

    def _work(self, kind: str, index: int = 0) -> Work:
        temperature, beams, before = KINDS[kind]
        options = DecodeOptions(self.name, language="en", beam_size=beams, lane="interactive")
        prompt = tuple(self.model.vocabulary.encode(" " + before)) if before else ()
        return Work(clip.window(index), options, "en", temperature, prompt)

    def _crowd(self) -> list[Work]:
        """Returns as many greedy works as the model takes at once."""
        return [self._work("greedy", index) for index in range(self._slots())]

    def _slots(self) -> int:
        if self.backend.workers:
            return self.backend.workers * (AT_ONCE if self.backend.device == "cuda" else 1)
        room, work = cast("StepModel", self.model).room, self._work("greedy")
        return next(count for count in range(1, MOST_SLOTS + 1) if not room([work] * (count + 1)))

    def _open_again(self, graphs: bool | None = None, slots: int = 0) -> None:
        from transcription.engine.torch_backend.backend import TorchBackend
        from transcription.engine.torch_backend.model import TorchModel

        assert isinstance(self.backend, TorchBackend), "only torch has graphs and slots"
        assert isinstance(self.model, TorchModel), "torch's"
        self.backend.cross = self.model.cross  # whichever memory would be best now
        self.backend.graphs = self.backend.graphs if graphs is None else graphs
        self.backend.slots = slots or self.backend.slots
        self.model.close()
        self.model = self.backend.open(self.name, self.path)

    def _decoded(self, works: Sequence[Work]) -> list[Decoded]:
        """Decodes works; where memory runs out with as many as fit it halves them, as the engine does."""
        while True:
            try:
                return self._decoded_at_once(works)
            except OutOfDeviceMemory:
                if self.backend.workers or self.halved == MOST_HALVINGS or len(works) == 1:
                    raise
                cast("StepModel", self.model).halve()
                self.halved += 1

    def _decoded_at_once(self, works: Sequence[Work]) -> list[Decoded]:
        for at in range(0, len(works), ENCODED_AT_ONCE):
            self.model.encode(works[at : at + ENCODED_AT_ONCE])
        return decode_all(self.backend, self.model, works)

    def _aligned(self, works: Sequence[Work], found: Sequence[Decoded]) -> list[list[WordTiming]]:
        eot = self.model.vocabulary.eot
        texts = [[token for token in decoded.tokens if token < eot] for decoded in found]
        steps = range(0, len(works), ENCODED_AT_ONCE)
        parts = [(works[at : at + ENCODED_AT_ONCE], texts[at : at + ENCODED_AT_ONCE]) for at in steps]
        return [timing for some, their in parts for timing in self.model.align(some, their)]

    def _heard(self, kinds: Sequence[str], found: Sequence[Decoded]) -> Case:
        """Compares texts with what is expected of their kind."""
        worst, text, allowed = 0.0, "", ONE_POINT
        for kind, decoded in zip(kinds, found, strict=True):
            errors = clip.word_error_rate(decoded.text, self.expected[kind])
            if kind == SAMPLED_KIND and not self.published:
                continue  # each window has its own random numbers
            tolerance = SAMPLED_ERRORS if kind == SAMPLED_KIND else ONE_POINT
            if errors - tolerance > worst - allowed or not text:
                worst, text, allowed = errors, decoded.text.strip(), tolerance
        required = f"at most {allowed:.0%} of the words wrong" + (f", {len(kinds)} windows" if len(kinds) > 1 else "")
        told = f"{worst:.0%}" + (f": {text[:EXCERPT]!r}" if worst > allowed else "")
        return _case(worst <= allowed, required, told, "text")

    def _timed(self, found: Sequence[Decoded], timings: Sequence[Sequence[WordTiming]]) -> Case:
        off = max(_seconds_off(decoded.text, timing) for decoded, timing in zip(found, timings, strict=True))
        required = f"words begin within {WORD_SECONDS} s, at the median"
        return _case(off <= WORD_SECONDS, required, f"{off:.2f} s", "text")


def _seconds_off(text: str, timing: Sequence[WordTiming]) -> float:
    """Returns the median of the words' distances from the clip's; infinity where words are missing or out of order.

    Of another text than the clip's only the order is known.
    """
    starts = [word.start for word in timing if clip.words(word.word)]
    if starts != sorted(starts):
        return float("inf")
    if clip.words(text) != clip.words(clip.TEXT):
        return 0.0
    pairs = zip(starts, clip.WORD_STARTS, strict=False)
    lost = len(starts) != len(clip.WORD_STARTS)
    return float("inf") if lost else statistics.median(abs(one - other) for one, other in pairs)


def _told(error: Exception) -> str:
    if isinstance(error, DeviceBusy):
        return f"the device can't be used now: {error}"
    if isinstance(error, DeviceLost):
        return f"the device is lost: {error}"
    return str(error) if isinstance(error, (EngineError, OutOfDeviceMemory)) else repr(error)


def _kind(error: Exception) -> Kind:
    if isinstance(error, (OutOfDeviceMemory, DoesNotFit)):
        return "memory"
    if isinstance(error, DeviceBusy):
        return "busy"
    return "missing" if isinstance(error, EngineError) else "broken"


def _case(ok: bool, required: str, found: str, kind: Kind = "broken") -> Case:
    return Case("", ok, required, found, "" if ok else kind)
