"""What the page shows of the newest sale: its state, and the points of its charts."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from loadtest.load.now import now_ns
from loadtest.load.page.feed import SHOWN, Feed, LocustFeed, RunFeed
from loadtest.load.page.outcomes import Outcomes
from loadtest.load.page.sales import Sales

UNJUDGED = "Nothing here is judged: no harness reads the database"


class Show:
    """The newest sale, for every view. Without the harness `sales` is None, and only what Locust knows is shown."""

    def __init__(
        self, environment: Any, runner: Any, outcomes: Outcomes, sales: Sales | None, t0_ns: Callable[[], int | None]
    ) -> None:
        self.sales = sales
        self.outcomes = outcomes
        # Rates that were asked for on the page: (milliseconds since the epoch, orders a second).
        self.asked: list[tuple[float, float]] = []
        self._environment = environment
        self._runner = runner
        self._t0_ns = t0_ns
        self._feed = Feed()
        self._feeds = 0
        # Stock, limit and rate of the sale that is drawn. They stay when the harness refuses the next sale.
        self._drawn: dict[str, Any] | None = None
        environment.events.test_start.add_listener(self._on_start)
        environment.events.test_stop.add_listener(self._on_stop)

    def news(self, sale: str, since: int) -> dict[str, Any]:
        """The state, and the points that are new to a page that has `since` points of `sale`; all if the sale is another by now."""
        state = self.sales.desk.state() if self.sales else None
        feed = self._newest_feed()
        name = f"{os.getpid()}-{self._feeds}"
        feed.refresh()
        begin = since if sale == name else 0
        return {
            "sale": name, "now_ms": now_ns() / 1e6, "locust": self._runner.state,
            "state": asdict(state) if state else None, "drawn": self._drawn, "idle": self.sales.idle if self.sales else None,
            "outcomes": self.outcomes.counts(),
            "asked": self.asked, "changes": self._changes(), "t0_ms": feed.t0_ms, "phases": feed.phases, "latest": feed.latest,
            "points": feed.points[begin:], "next": len(feed.points),
        }  # fmt: skip

    def figures(self) -> Iterator[tuple[str, str]]:
        """The same in a few rows (label, value), for the table in Locust's own tab."""
        if self.sales:
            state = self.sales.desk.state()
            yield "phase", state.phase
            if state.held:
                yield f"verdict of sale {state.held[-1].number}", f"{state.held[-1].verdict}: {state.held[-1].sentence}"
        else:
            yield "verdict", UNJUDGED
        feed = self._newest_feed()
        feed.refresh()
        for metric, value in feed.latest.items():
            yield SHOWN[metric], f"{value:,.0f}"
        for outcome, count in self.outcomes.counts().items():
            yield f"told {outcome.replace('_', ' ')}", f"{count:,}"

    def _changes(self) -> list[dict[str, Any]]:
        """The changes of the limit that the harness has made, from ``limits.jsonl`` in the run directory."""
        made = self._feed.run_dir / "limits.jsonl" if isinstance(self._feed, RunFeed) else None
        if made is None or not made.is_file():
            return []
        return [json.loads(line) for line in made.read_text(encoding="utf-8").rpartition("\n")[0].splitlines()]

    def _newest_feed(self) -> Feed:
        state = self.sales.desk.state() if self.sales else None
        run_dir = Path(state.run_dir) if state and state.run_dir else None
        if state and run_dir and not (isinstance(self._feed, RunFeed) and self._feed.run_dir == run_dir):
            self._feed, self.asked, self._feeds = RunFeed(run_dir), [], self._feeds + 1
            self._drawn = {key: getattr(state, key) for key in ("stock", "limit_per_s", "rate_per_s")}
        return self._feed

    def _on_start(self, **_: Any) -> None:
        if self.sales is None:
            self._feed.close()
            self._feeds += 1
            # Looked up at each reading: a master replaces its totals after this event.
            stats = self._environment.stats
            self._feed = LocustFeed(lambda: {"generator.sent": stats.total.num_requests}, self._t0_ns)

    def _on_stop(self, **_: Any) -> None:
        self._feed.close()
