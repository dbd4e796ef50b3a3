"""Computes charts for inline SVG, by attributes only, since the CSP allows no inline style."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

HEIGHT = 48.0
STEP = 10.0
GAP = 2.0
LENGTH = 1000.0
SHORTEST = 3.0


@dataclass(frozen=True)
class Bar:
    x: float
    y: float
    width: float
    height: float
    value: float


@dataclass(frozen=True)
class Chart:
    """Bars in a box of `width` by `height`; `most` is the value of a bar of full height."""

    width: float
    height: float
    most: float
    bars: list[Bar]


def bars(values: Sequence[float]) -> Chart:
    most = max(values, default=0.0)
    return Chart(len(values) * STEP, HEIGHT, most, [_bar(n, value, most) for n, value in enumerate(values)])


def _bar(number: int, value: float, most: float) -> Bar:
    height = HEIGHT * value / most if most else 0.0
    shown = max(height, 1.0)
    return Bar(round(number * STEP, 1), round(HEIGHT - shown, 1), STEP - GAP, round(shown, 1), value)


@dataclass(frozen=True)
class Interval:
    """A bar of a waterfall: from `x` over `width`, of which `filled` was spent. In a box of LENGTH by 1."""

    x: float
    width: float
    filled: float


def interval(begin: float, length: float, filled: float) -> Interval:
    """Returns the bar of shares (0.0 to 1.0) of a waterfall's time; the shortest is still seen."""
    x = min(LENGTH * begin, LENGTH - SHORTEST)
    width = min(max(LENGTH * length, SHORTEST), LENGTH - x)
    return Interval(round(x, 1), round(width, 1), round(min(max(LENGTH * filled, SHORTEST), width), 1))


def columns(values: Sequence[float | None], most: float) -> str:
    """Returns the path of bars as `bars` has them, where `most` is as high as the box; gaps for None."""
    heights = [(number * STEP, value) for number, value in enumerate(values) if value is not None]
    tops = [(x, HEIGHT - max(1.0, HEIGHT * value / most if most else 0.0)) for x, value in heights]
    return "".join(f"M{x:g} {HEIGHT:g}V{y:.1f}h{STEP - GAP:g}V{HEIGHT:g}z" for x, y in tops)
