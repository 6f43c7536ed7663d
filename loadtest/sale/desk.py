"""The desk: a folder of JSON files through which Locust's web page asks the harness for sales, one after the other.

The page runs in Locust's process; the harness, which stays in charge of services, shop and verdict, must not import Locust.
Each file has one writer, is replaced as a whole, and can be read by nobody but the user (the folder is 0700):

    offers.json   the harness: what a form may offer
    wish.json     the page: "run a sale with these values"
    state.json    the harness: how far that sale is, and the sales before it
    load.json     the page: the buyers of that sale are gone
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, get_args

from loadtest.errors import HarnessError
from loadtest.experiment.names import PLACEHOLDER
from loadtest.experiment.schema import Experiment, Limiter
from loadtest.manifest.shop import Shop
from loadtest.record.whole import write_text

# The keys that the page may set. Others name files that are executed, so only the command line may set them.
FORM = ("scheme", "dispatch", "stock", "buyers", "limiter.kind", "limiter.rate_per_s", "workers.count")
LOAD_PHASES = ("gathering", "herd")
LAST_PHASES = ("idle", "judged", "refused", "failed")


@dataclass(frozen=True)
class Offers:
    """What a form may offer: the dispatches of each scheme, every kind of limiter, and the values to begin with. `asked` are the keys that
    mean something to the shop."""

    schemes: Mapping[str, list[str]]
    limiters: list[str]
    values: Mapping[str, Any]
    asked: list[str] = field(default_factory=lambda: list(FORM))


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
    """How far the newest sale is, and the sales before it (`held`). `limit_per_s`: for all workers together, None without a limit."""

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
    """Reads and writes the folder `directory`, for the page and for the harness.

    Before the page has written its files, `wish` is None and `gone` is False.
    """

    directory: Path

    @classmethod
    def open(cls, directory: Path, offers: Offers) -> "Desk":
        """Create the folder, which no other user can read or write, with `offers` and an idle state."""
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
        """The state that the harness showed last."""
        data = self._needed("state")
        return State(**{**data, "held": tuple(Held(**each) for each in data["held"])})

    def ask(self, wish: Wish) -> None:
        """Ask for a sale."""
        self._write("wish", asdict(wish))

    def buyers_gone(self, number: int) -> None:
        """Tell the harness that the buyers of sale `number` are gone, and their history is closed."""
        self._write("load", {"number": number})

    # The harness's side.

    def show(self, state: State) -> None:
        """Show the page `state`."""
        self._write("state", asdict(state))

    def wish(self) -> Wish | None:
        """The newest wish; None before the first."""
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
            found: dict[str, Any] = json.loads((self.directory / f"{name}.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return found


def offers_of(experiment: Experiment, shop: Shop) -> Offers:
    """What `shop` can do; the values to begin with are those of `experiment`."""
    both = list(get_args(Experiment.model_fields["dispatch"].annotation))
    schemes: dict[str, list[str]] = {name: list(scheme.dispatch) for name, scheme in shop.schemes.items()}
    limiters = list(get_args(Limiter.model_fields["kind"].annotation))
    flat = experiment.flat()
    values = {key: flat[key] for key in FORM}
    return Offers(schemes or {experiment.scheme: both}, limiters, values, [key for key in FORM if key in _meant(shop)])


def _meant(shop: Shop) -> set[str]:
    """The keys of the experiment that mean something to `shop`: those that its manifest names, and how many come for how much."""
    named = set(PLACEHOLDER.findall(shop.model_dump_json()))
    if shop.schemes:
        named |= {"scheme", "dispatch"}
    if any(process.when != "always" for process in shop.process):
        named.add("dispatch")
    return named | {"stock", "buyers"}
