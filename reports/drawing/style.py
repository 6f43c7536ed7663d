"""Colours and type of the figures: Okabe–Ito hues, drawn as placeholders that become CSS variables.

Matplotlib writes colours as hex. Each colour here is drawn as a hex value that nothing else uses, so that a
replacement in the text of a finished SVG makes it follow the page from light to dark.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.typing import RcKeyType

SMALL, SIZE = 11.0, 12.5  # px

RC: dict[RcKeyType, Any] = {
    "font.family": "sans-serif",
    "font.size": SIZE,
    "svg.fonttype": "none",
    "svg.hashsalt": "report",
    "text.parse_math": False,
    "path.simplify_threshold": 0.3,
    "lines.linewidth": 1.6,
    "lines.solid_capstyle": "round",
    "patch.linewidth": 0.8,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.linewidth": 0.7,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "xtick.major.size": 3.5,
    "ytick.major.size": 0,
    "ytick.major.pad": 5,
}


@contextmanager
def styled() -> Iterator[None]:
    """Draw in the style of the figures: Matplotlib's own defaults and `RC`, whatever a ``matplotlibrc`` here says."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(RC)
        yield


@dataclass(frozen=True)
class Colour:
    """One colour, in light and in dark. `mark` is drawn; it stands for the CSS variable `name`."""

    name: str
    mark: str
    light: str
    dark: str


@dataclass(frozen=True)
class Hue:
    """A colour for marks, and a stronger one of the same hue that is legible as text."""

    fill: Colour
    ink: Colour

    @property
    def mark(self) -> str:
        """What to draw lines and areas with."""
        return self.fill.mark

    @property
    def text(self) -> str:
        """What to write with."""
        return self.ink.mark


COLOURS: list[Colour] = []


def _colour(name: str, light: str, dark: str) -> Colour:
    colour = Colour(name, f"#fe01{len(COLOURS):02x}", light, dark)
    COLOURS.append(colour)
    return colour


def _hue(name: str, mark: tuple[str, str], text: tuple[str, str]) -> Hue:
    return Hue(_colour(name, *mark), _colour(f"{name}-text", *text))


INK = _hue("ink", ("#1d1d1b", "#e9e7e2"), ("#1d1d1b", "#e9e7e2"))
MUTED = _hue("muted", ("#8b8d90", "#82868b"), ("#5c5f63", "#a9adb3"))
GRID = _hue("grid", ("#e3e2dc", "#2f3338"), ("#e3e2dc", "#2f3338"))
PAPER = _hue("paper", ("#fefefc", "#141619"), ("#fefefc", "#141619"))
GHOST = _hue("ghost", ("#c9cbcc", "#4a4f55"), ("#5c5f63", "#a9adb3"))

BLUE = _hue("blue", ("#0072b2", "#3d9bd9"), ("#005f96", "#6bb8ee"))
SKY = _hue("sky", ("#56b4e9", "#56b4e9"), ("#1a6a99", "#7cc5ef"))
GREEN = _hue("green", ("#009e73", "#12a87f"), ("#00704f", "#2cc79b"))
ORANGE = _hue("orange", ("#e69f00", "#e69f00"), ("#855800", "#f0b429"))
RED = _hue("red", ("#d55e00", "#e8762d"), ("#b04700", "#f58a4b"))
PURPLE = _hue("purple", ("#cc79a7", "#cc79a7"), ("#964872", "#dd97bf"))

OUTCOMES = {
    "won": GREEN,
    "accepted": BLUE,
    "sold_out": SKY,
    "already_bought": PURPLE,
    "throttled": ORANGE,
    "refused": MUTED,
    "unknown": RED,
}


def outcome(name: str) -> Hue:
    """The hue of an outcome, the same in every figure."""
    return OUTCOMES.get(name, MUTED)
