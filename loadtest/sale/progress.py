"""What a run shows while it goes on: the phase and the latest samples."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from loadtest.record.tail import Tail

PHASES = ("starting", "preparing", "gathering", "herd", "draining", "reading", "judging")


@dataclass
class Latest:
    """The newest sample of each metric, read from the shards as they grow."""

    directory: Path
    seen: dict[str, tuple[int, float]] = field(default_factory=dict)
    _tail: Tail = field(init=False)

    def __post_init__(self) -> None:
        self._tail = Tail(self.directory)

    def refresh(self) -> None:
        """Read what was written since the last time."""
        for shard, sample in self._tail.lines():
            self._note(sample, shard)

    def value(self, metric: str) -> float | None:
        """The newest value of ``probe.metric``, summed over generators; None before the first."""
        values = [value for name, (_, value) in self.seen.items() if name.partition("@")[0] == metric]
        return sum(values) if values else None

    @property
    def t0_ns(self) -> int | None:
        """T0 in nanoseconds; None until the gate has set it."""
        found = [at for name, (at, _) in self.seen.items() if name.startswith("gate.t0@")]
        return min(found) if found else None

    def _note(self, sample: dict[str, Any], shard: str) -> None:
        # Each generator reports its own values: they are kept apart here, and summed in `value`.
        suffix = f"@{shard}" if sample["p"] in ("generator", "gate") else ""
        self.seen[f"{sample['p']}.{sample['m']}{suffix}"] = int(sample["t"]), sample["v"]


class Progress(Protocol):
    """Shows a run's phases and figures."""

    def phase(self, name: str) -> None:
        """A new phase has begun."""

    def tick(self, latest: Latest) -> None:
        """New samples may be there."""


class Silent:
    """Shows nothing."""

    def phase(self, name: str) -> None:
        """Say nothing."""

    def tick(self, latest: Latest) -> None:
        """Say nothing."""


class Lines:
    """Prints a line for each phase: for logs and CI."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()
        self._figures = ""

    def phase(self, name: str) -> None:
        """Print the last figures of the phase before, then this phase with the seconds since the start."""
        if self._figures:
            self._console.print(Text(f"        {self._figures}", style="dim"), soft_wrap=True)
            self._figures = ""
        self._console.print(Text(f"{time.monotonic() - self._began:5.1f} s {name}"))

    def tick(self, latest: Latest) -> None:
        """Keep the figures for the end of the phase."""
        self._figures = figures(latest)


class Screen:
    """One live line on a terminal: for people."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, refresh_per_second=8, transient=True)
        self._began = time.monotonic()
        self._name = "starting"
        self._answered: tuple[float, float] = (0, 0)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def phase(self, name: str) -> None:
        """Show the phase in the row of phases."""
        self._name = name
        self._show("")

    def tick(self, latest: Latest) -> None:
        """Show the figures."""
        self._show(figures(latest))

    def _show(self, text: str) -> None:
        line = Text(f"{time.monotonic() - self._began:5.1f} s  ", style="dim")
        for name in PHASES:
            line.append(name, style="bold cyan" if name == self._name else "dim").append(" ")
        line.append(f"\n         {text}")
        self._live.update(line)


def figures(latest: Latest) -> str:
    """The live figures in one line; a figure that nobody has read yet is left out."""
    named = {
        "buyers waiting": latest.value("generator.waiting"),
        "sent": latest.value("generator.sent"),
        "answered": latest.value("generator.answered"),
        "tokens left": latest.value("redis.tokens"),
        "queued": latest.value("broker.ready"),
        "unacked": latest.value("broker.unacked"),
        "rows": latest.value("truth.rows"),
    }
    return " · ".join(f"{name} {value:,.0f}" for name, value in named.items() if value is not None)


@contextmanager
def showing(console: Console) -> Iterator[Progress]:
    """A `Screen` on a terminal, `Lines` elsewhere."""
    if console.is_terminal and sys.stdout.isatty():
        with Screen(console) as screen:
            yield screen
    else:
        yield Lines(console)
