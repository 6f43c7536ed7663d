"""The experiment: everything a run is told, validated before anything starts."""

import math
from typing import Annotated, Any, Literal, Self

import tomli_w
from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from loadtest.experiment.section import Section, flatten, rule

# Beyond these nothing is a sale, and arithmetic with them overflows: a million a second, and four months.
MOST_PER_S = 1e6
MOST_S = 1e7

# Arrivals a second, and for how many seconds.
Step = Annotated[
    tuple[Annotated[float, Field(ge=0, le=MOST_PER_S)], Annotated[float, Field(gt=0, le=MOST_S)]], Field(strict=False)
]


class Arrivals(Section):
    """When buyers come, and how long each waits.

    `herd`: every buyer connects, meets the others at a barrier, and fires at one wall-clock T0. `spawned`: each fires as soon as
    Locust has spawned it, at the spawn rate or by a LoadTestShape. The others are *open*: planned ahead, and fired on schedule however
    slow the shop is; `poisson` and `uniform` at `rate_per_s`, `stepped` by `steps`, `replay` from `file`.
    """

    kind: Literal["herd", "spawned", "poisson", "uniform", "stepped", "replay"] = Field(
        "herd",
        description="herd: all at one moment; poisson, uniform, stepped, replay: on a schedule; spawned: as Locust spawns them",
    )
    rate_per_s: float | None = Field(
        None,
        gt=0,
        le=MOST_PER_S,
        description="arrivals a second, of poisson and uniform; of spawned: Locust's spawn rate",
    )
    for_s: float | None = Field(
        None, gt=0, le=MOST_S, description="seconds for which they come; says how many buyers there are"
    )
    steps: tuple[Step, ...] = Field(
        (),
        strict=False,
        description="of stepped and of a ramp: pairs [arrivals a second, seconds], one after the other",
    )
    file: str | None = Field(
        None, description="of replay: a CSV file; its first column has seconds after T0, ascending"
    )
    connections: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="of open arrivals: connections that stand ready; default: for the stock and two busy seconds",
    )
    gather_s: float = Field(60, gt=0, le=MOST_S, description="seconds the buyers may take to reach the barrier")
    timeout_s: float = Field(
        10, gt=0, le=MOST_S, description="seconds a buyer waits for one reply; past it the order is unknown"
    )
    poll_s: float = Field(1, gt=0, le=MOST_S, description="seconds between two looks at an order's status")

    @property
    def open(self) -> bool:
        """Whether buyers come on schedule, however slow the shop is."""
        return self.kind in ("poisson", "uniform", "stepped", "replay")

    @property
    def total(self) -> int | None:
        """How many buyers the settings say will come; None where they do not say it."""
        if self.steps:
            return sum(round(rate_per_s * seconds) for rate_per_s, seconds in self.steps)
        return round(self.rate_per_s * self.for_s) if self.rate_per_s and self.for_s else None

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        """Each kind has the settings it needs, and no others: a forgotten `kind` must not become a herd."""
        needs, takes = KINDS[self.kind]
        given = {
            name
            for name in ("rate_per_s", "for_s", "steps", "file", "connections")
            if getattr(self, name) not in (None, ())
        }
        for name in sorted(needs - given):
            raise rule(f"arrivals.{name}: required by arrivals.kind = {self.kind!r}{_example(name)}")
        for name in sorted(given - needs - takes):
            fitting = ", ".join(kind for kind, (needed, taken) in KINDS.items() if name in needed | taken)
            raise rule(
                f"arrivals.{name}: means nothing to arrivals.kind = {self.kind!r}; take it out, or set the kind to one of: {fitting}"
            )
        if self.total == 0:
            raise rule("arrivals: nobody would come; raise the rate or the seconds")
        return self


# What each kind of arrivals needs, and what else it takes.
KINDS: dict[str, tuple[set[str], set[str]]] = {
    "herd": (set(), set()),
    "spawned": (set(), {"rate_per_s", "for_s", "steps"}),
    "poisson": ({"rate_per_s"}, {"for_s", "connections"}),
    "uniform": ({"rate_per_s"}, {"for_s", "connections"}),
    "stepped": ({"steps"}, {"connections"}),
    "replay": ({"file"}, {"connections"}),
}


class Traffic(Section):
    """Who the buyers are, and what they do beside buying. The rest click once, each in an account of their own.

    Refreshes and retries happen only in scenarios whose tasks do them; in others these settings change nothing.
    """

    double_click: float = Field(0, ge=0, le=1, description="share of buyers who click twice, at the same moment")
    scalpers: float = Field(0, ge=0, lt=1, description="share of buyers who share the scalpers' accounts")
    scalper_accounts: int = Field(10, ge=1, le=1_000_000, description="accounts that all scalpers together have")
    scalper_clicks: int = Field(
        1, ge=1, le=100, description="connections on which each scalper asks at the same moment"
    )
    refreshers: float = Field(1, ge=0, le=1, description="share of buyers who reload the countdown page before T0")
    refresh_s: float = Field(1, gt=0, le=MOST_S, description="seconds between two looks of one of them")
    presale_s: float = Field(0, ge=0, le=MOST_S, description="seconds for which they do it; 0: nobody does")
    retries: int = Field(0, ge=0, le=20, description="times a buyer asks again after a time-out, an error or a 429")
    backoff_s: float = Field(0.5, ge=0, le=MOST_S, description="seconds before the first retry")
    backoff_growth: float = Field(
        2, ge=1, le=100, description="each further wait is so many times as long; 1: all alike"
    )
    jitter: float = Field(
        0, ge=0, le=1, description="share of each wait that is drawn at random; 1: full jitter, 0: all at once"
    )


def default_burst(rate_per_s: float) -> int:
    """Orders that a late worker may make up at once, where nothing else is set: 40 ms of the rate, at least 2."""
    return max(2, math.floor(rate_per_s * 0.04))


class Limiter(Section):
    """How fast orders may be placed.

    `flat`: each worker has a rate of its own; `shared`: all workers have one together. `native` is Celery's own limit of each worker, which
    collapses under a backlog; it serves as a control.
    """

    kind: Literal["none", "native", "flat", "shared"] = Field(
        "flat", description="flat: a rate of each worker; shared: one of all together; native: Celery's own; none"
    )
    rate_per_s: float = Field(
        50, ge=1e-6, le=MOST_PER_S, description="orders a second, per worker; of all together if shared"
    )
    burst: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="orders a late worker may make up at once; default 40 ms of the rate, at least 2",
    )

    @property
    def allowed_burst(self) -> int:
        """Orders above the rate that any window may hold, if they are placed one by one."""
        return self.burst or default_burst(self.rate_per_s)

    @field_validator("burst")
    @classmethod
    def _makes_up(cls, burst: int | None, info: ValidationInfo) -> int | None:
        if burst == 1 and info.data.get("kind") == "shared":
            raise ValueError(
                "2 or more with limiter.kind = 'shared': a burst of 1 makes up for no moment that is missed"
            )
        return burst


class Workers(Section):
    """The Celery workers."""

    count: int = Field(1, ge=1, le=64, description="how many there are")
    concurrency: int = Field(2, ge=1, le=256, description="pool size of each worker; with pool = solo it is 1")
    pool: Literal["prefork", "threads", "gevent", "solo"] = Field("prefork", description="Celery's pool of each worker")
    batch: int = Field(
        1,
        ge=1,
        le=1000,
        description="orders that are placed together, in one statement and one commit, if so many wait",
    )
    prefetch: int | None = Field(
        None, ge=1, le=1000,
        description="orders a worker takes for each job of its pool; default a batch, with limiter.kind = native 4, as Celery ships",
    )  # fmt: skip

    @property
    def at_once(self) -> int:
        """Jobs that one worker does at the same time: each places one order, or a batch."""
        return 1 if self.pool == "solo" else self.concurrency


class Broker(Section):
    """The broker that holds the queue, and when a worker acknowledges an order. docs/brokers.md helps to choose."""

    kind: Literal["redis", "rabbitmq"] = Field("redis", description="RabbitMQ must be given: --broker amqp://…")
    queue: Literal["classic", "quorum"] = Field("classic", description="RabbitMQ's type of queue")
    ack: Literal["early", "late"] = Field(
        "late", description="an order is acknowledged when its row stands (late), or when a child takes it up (early)"
    )
    visibility_s: float | None = Field(
        None,
        gt=0,
        le=MOST_S,
        description="seconds until Redis hands out again what a worker holds; default from the arithmetic",
    )
    consumer_timeout_s: float = Field(
        1800, gt=0, le=MOST_S, description="RabbitMQ's consumer_timeout, if yours is another"
    )


class Drain(Section):
    """When the queue counts as drained, and when the harness stops waiting."""

    deadline_s: float = Field(120, gt=0, le=MOST_S, description="seconds after T0")
    settle_s: float = Field(0.5, gt=0, le=MOST_S, description="one interval; queue and rows must stand still for two")


class Sampler(Section):
    """How often every probe reads."""

    hz: float = Field(10, gt=0, le=100, description="readings a second")


class FaultPlan(Section):
    """One fault: what to do, to which processes of the shop, and when."""

    kind: str = Field(description="such as 'kill'; see loadtest list faults")
    role: str = Field("worker", description="role of the processes it hits, as in the manifest")
    at_s: float = Field(1, ge=0, le=MOST_S, description="seconds after T0")
    heal_after_s: float = Field(1, ge=0, le=MOST_S, description="seconds until it is undone")


class Expectation(Section):
    """The verdict expected of those cells of a matrix that `where` fits. The last that fits a cell counts; without any, ``valid``."""

    where: dict[str, Any] = Field(
        {}, description="axis = value, for each axis that matters; `cell` is the axis of [cells]"
    )
    verdict: str = Field(
        pattern=r"^(valid|unknown|invalid(:[a-z_]+)?)$", description="valid, unknown, invalid or invalid:CHECK"
    )


class Experiment(Section):
    """One sale to run. Field names are the keys of the TOML file and of ``--set``."""

    name: str = Field("rush", pattern=r"^[a-z0-9][a-z0-9_-]*$", description="what its runs are called: runs/NAME/…")
    shop: str = Field("target/shop.toml", description="file of the manifest: how to start, buy from and read the shop")
    scenario: str = Field("scenarios/rush.py", description="Locust file: what buyers do")
    scheme: str = Field("tokens", description="how the shop keeps its stock, of a shop whose manifest has [schemes]")
    dispatch: Literal["queued", "inline"] = Field(
        "queued",
        description="whether orders wait in a queue until a worker places them, or are placed within the request",
    )
    stock: int = Field(200, ge=1, le=10_000_000, description="units for sale")
    buyers: int = Field(
        1000, ge=1, le=1_000_000, description="how many come; open arrivals that say it themselves may leave it out"
    )
    per_buyer: int = Field(1, ge=1, le=10_000_000, description="units one buyer may have")
    seed: int = Field(
        1, ge=0, le=2**63 - 1, description="of everything that is drawn at random: the same seed, the same sale"
    )
    mutant: str = Field("", description="a mistake built into the shop on purpose; see docs/adding-a-check.md")
    traffic: Traffic = Field(Traffic(), description="who the buyers are")
    arrivals: Arrivals = Field(Arrivals(), description="when they come")
    limiter: Limiter = Field(Limiter(), description="how fast orders may be placed")
    workers: Workers = Field(Workers(), description="the Celery workers")
    broker: Broker = Field(Broker(), description="the broker that holds the queue")
    drain: Drain = Field(Drain(), description="when the harness stops waiting for orders")
    sampler: Sampler = Field(Sampler(), description="how often the services are measured")
    faults: tuple[FaultPlan, ...] = Field((), strict=False, description="what breaks during the sale")
    matrix: dict[str, list[Any]] = Field({}, description="key = list of values: one run for each combination")
    cells: dict[str, dict[str, Any]] = Field(
        {}, description="name = keys and values: one run for each, where not every combination makes sense"
    )
    expect: tuple[Expectation, ...] = Field(
        (), strict=False, description="the verdicts that cells of the matrix should have"
    )
    thresholds: tuple[str, ...] = Field(
        (),
        strict=False,
        description='such as "p99_ms < 200" (of all orders; "answered.p99_ms": of those with an answer) or "db_commits_per_s.max <= 60"',
    )

    @model_validator(mode="before")
    @classmethod
    def _counted(cls, data: Any) -> Any:
        """Takes `buyers` from the arrivals' rates and seconds, if it is not set."""
        arrivals = data.get("arrivals") if isinstance(data, dict) and "buyers" not in data else None
        if isinstance(arrivals, dict):
            try:
                arrivals = Arrivals.model_validate(arrivals)
            except ValidationError:  # reported, with its key, when the field itself is validated
                return data
        total = arrivals.total if isinstance(arrivals, Arrivals) else None
        return data if total is None else {**data, "buyers": total}

    @model_validator(mode="after")
    def _agreeing(self) -> Self:
        """Settings of two sections must not contradict each other."""
        arrivals = self.arrivals
        if arrivals.total not in (None, self.buyers):
            raise rule(
                f"buyers = {self.buyers}: the arrivals' rate and seconds make {arrivals.total}; leave buyers out, or let them agree"
            )
        if self.traffic.presale_s >= arrivals.gather_s:
            raise rule(
                f"traffic.presale_s = {self.traffic.presale_s:g}: expected less than arrivals.gather_s = {arrivals.gather_s:g}; raise that"
            )
        return self

    @property
    def limited(self) -> bool:
        """Whether a rate limit stands between the queue and the database."""
        return self.dispatch == "queued" and self.limiter.kind != "none"

    @property
    def configured_per_s(self) -> float | None:
        """The orders a second that all workers together may place; None without a limit."""
        return self.together_per_s(self.limiter.rate_per_s) if self.limited else None

    def together_per_s(self, rate_per_s: float) -> float:
        """What a limit of `rate_per_s` comes to for all workers: W·L, but L where they share one."""
        return rate_per_s * (1 if self.limiter.kind == "shared" else self.workers.count)

    @property
    def prefetch(self) -> int:
        """Orders that each worker takes from the queue for each job of its pool."""
        return self.workers.prefetch or (4 if self.limiter.kind == "native" else self.workers.batch)

    @property
    def burst(self) -> int:
        """Orders above the rate that any window may hold: those that a late worker makes up, and by default the rest of a batch."""
        return self.limiter.burst or self.limiter.allowed_burst + self.workers.batch - 1

    def to_toml(self) -> str:
        """The experiment in full, every default written out."""
        return tomli_w.dumps(self.model_dump(exclude_none=True, mode="json"))

    def flat(self) -> dict[str, object]:
        """Every key in dotted form with its value: ``{"limiter.rate_per_s": 50.0}``."""
        return dict(flatten(self.model_dump(mode="json")))


def _example(name: str) -> str:
    examples = {"rate_per_s": "200", "steps": "[[100, 2], [400, 5]]", "file": '"arrivals.csv"'}
    return f", such as arrivals.{name}={examples[name]}"
