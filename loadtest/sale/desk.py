"""The desk: a folder over which Locust's web page asks the harness for sales, one after the other.

The page runs in Locust's process; the harness, which stays in charge of services, shop and verdict, must not import Locust.
Each file has one writer, is replaced as a whole, and can be read by nobody but the user (the folder is 0700):

    offers.json   the harness: what a form may offer
    wish.json     the page: "hold a sale with these values"
    state.json    the harness: how far that sale is, and the sales before it
    load.json     the page: the buyers of that sale are gone
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, get_args

from loadtest.errors import HarnessError
from loadtest.experiment.schema import Experiment, Limiter
from loadtest.manifest.shop import Shop
from loadtest.record.run_dir import write_text

# The keys that a page may set. Others name files that are run: they stay with who sits at the terminal.
FORM = ("scheme", "dispatch", "stock", "buyers", "limiter.kind", "limiter.rate_per_s", "workers.count")
LOAD_PHASES = ("gathering", "herd")
LAST_PHASES = ("idle", "judged", "refused", "failed")


@dataclass(frozen=True)
class Offers:
    """What a form may offer: the dispatches of each scheme, every kind of limiter, and the values to begin with."""

    schemes: Mapping[str, list[str]]
    limiters: list[str]
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Wish:
    """A sale that the page asks for; wishes are numbered from 1."""

    number: int
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Held:
    """A sale that is over: `verdict` is None where it failed, and `sentence` then says why."""

    number: int
    run_dir: str | None
    verdict: str | None
    sentence: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class State:
    """How far the newest sale is. `limit_per_s` is for all workers together, None without a limit."""

    number: int = 0
    phase: str = "idle"
    run_dir: str | None = None
    base_url: str | None = None
    stock: int = 0
    buyers: int = 0
    limit_per_s: float | None = None
    rate_per_s: float | None = None
    error: str | None = None
    held: tuple[Held, ...] = field(default=())

    @property
    def over(self) -> bool:
        """Whether another sale may begin."""
        return self.phase in LAST_PHASES


@dataclass(frozen=True)
class Desk:
    """Both sides of the folder `directory`. A file that is not there yet reads as nothing."""

    directory: Path

    @classmethod
    def open(cls, directory: Path, offers: Offers) -> "Desk":
        """A desk that nobody else can read or write."""
        directory.mkdir(mode=0o700)
        desk = cls(directory)
        desk._write("offers", asdict(offers))
        desk.show(State())
        return desk

    # The page's side.

    def offers(self) -> Offers:
        """What a form may offer."""
        return Offers(**self._needed("offers"))

    def state(self) -> State:
        """How far the harness is."""
        data = self._needed("state")
        return State(**{**data, "held": tuple(Held(**each) for each in data["held"])})

    def ask(self, wish: Wish) -> None:
        """Ask for a sale."""
        self._write("wish", asdict(wish))

    def buyers_gone(self, number: int) -> None:
        """Tell that the buyers of sale `number` are gone, and their history is closed."""
        self._write("load", {"number": number})

    # The harness's side.

    def show(self, state: State) -> None:
        """Tell the page how far things are."""
        self._write("state", asdict(state))

    def wish(self) -> Wish | None:
        """The newest wish."""
        data = self._read("wish")
        return Wish(**data) if data else None

    def gone(self, number: int) -> bool:
        """Whether the buyers of sale `number` are gone."""
        data = self._read("load")
        return bool(data and data["number"] >= number)

    def _write(self, name: str, data: Mapping[str, Any]) -> None:
        write_text(self.directory / f"{name}.json", json.dumps(data))

    def _needed(self, name: str) -> dict[str, Any]:
        data = self._read(name)
        if data is None:
            raise HarnessError(
                f"{self.directory}: expected a desk, found no {name}.json; start with: loadtest run --web"
            )
        return data

    def _read(self, name: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = json.loads((self.directory / f"{name}.json").read_text())
        except FileNotFoundError:
            return None
        return found


def offers_of(experiment: Experiment, shop: Shop) -> Offers:
    """What `shop` can do, beginning with what `experiment` says."""
    both = list(get_args(Experiment.model_fields["dispatch"].annotation))
    schemes: dict[str, list[str]] = {name: list(scheme.dispatch) for name, scheme in shop.schemes.items()}
    limiters = list(get_args(Limiter.model_fields["kind"].annotation))
    flat = experiment.flat()
    return Offers(schemes or {experiment.scheme: both}, limiters, {key: flat[key] for key in FORM})
