"""The manifest: how to start, drive and read a shop that the harness has never seen.

Text values may hold placeholders: ``{sale}``, ``{buyer}``, ``{number}`` where they make sense, ``{port}``, ``{python}``,
``{base_url}``, ``{stack.postgres}``, ``{stack.redis}``, ``{stack.broker}``, ``{stack.broker_admin}``, and any key of the experiment such as
``{stock}`` or ``{limiter.rate_per_s}``. The file is copied to the run directory as it was written, so that no
address with a password gets there.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, field_validator, model_validator

from loadtest.errors import UsageError
from loadtest.experiment.files import find_file
from loadtest.experiment.names import nearest
from loadtest.experiment.schema import Experiment
from loadtest.experiment.section import Section, parse, read_toml, rule
from loadtest.manifest.placeholders import (
    OF_A_BUYER,
    OF_AN_ORDER,
    check_loosely,
    check_pattern,
    check_sql,
    check_strictly,
    texts,
)

# The name of an environment variable.
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
# What an answer to `buy` can mean. The first four are answers of a working shop.
BuyOutcome = Literal["won", "sold_out", "already_bought", "throttled", "refused", "unknown"]

# What ``redis_<kind>`` reads, as Redis names the type.
REDIS_KINDS = {"list": "list", "set": "set", "sorted_set": "zset", "hash": "hash", "value": "string"}
NUMBERS = ("sql", "redis_list", "redis_set", "redis_sorted_set", "redis_hash")
PAIRS = ("sql", "redis_hash")
NOT_A_COUNT = "the numbers themselves are needed: a value is only how many, and a pattern is all that there ever were"
# For each key under [final] what may be read, and why nothing else.
READABLE: dict[str, tuple[tuple[str, ...], str]] = {
    "seeded": ((*NUMBERS, "pattern"), "the numbers themselves are needed: a value is only how many"),
    "rows": (PAIRS, "every number is needed with its buyer"),
    "tokens": (NUMBERS, NOT_A_COUNT),
    "claims": (NUMBERS, NOT_A_COUNT),
    "rejected": (PAIRS, "every number is needed with its buyer"),
    "near_misses": ((*NUMBERS, "redis_value"), "a pattern counts nothing"),
}


class Source(Section):
    """Where one set of the final reads comes from, such as the rows or the tokens left. Exactly one key.

    `sql` runs on Postgres; ``:sale`` and ``:stock`` in it are bound parameters. The redis keys are read whole: a list, set or
    sorted set gives numbers, a hash gives number → buyer, a value gives one integer. `pattern` makes the numbers 1…stock.
    """

    sql: str | None = None
    redis_list: str | None = None
    redis_set: str | None = None
    redis_sorted_set: str | None = None
    redis_hash: str | None = None
    redis_value: str | None = None
    pattern: str | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len(self.model_fields_set) != 1:
            raise ValueError(f"exactly one of {', '.join(type(self).model_fields)}")
        return self

    @property
    def kind(self) -> str:
        """Its one key."""
        return next(iter(self.model_fields_set))

    @property
    def place(self) -> str:
        """The value of that key."""
        return str(getattr(self, self.kind))


class Request(Section):
    """One HTTP request, such as ``POST /sales/{sale}/orders`` with a JSON body."""

    request: str = Field(pattern=r"^(GET|HEAD|POST|PUT|PATCH|DELETE) /\S*$")
    body: dict[str, Any] | None = Field(None, description="sent as JSON; strings may hold placeholders")
    headers: dict[str, str] = {}


class Buy(Request):
    """The request that takes one unit, and what its answers mean."""

    outcomes: dict[str, BuyOutcome] = Field(description="HTTP status → outcome; a status not named here is 'unknown'")
    number: str | None = Field(None, description="key of the order number in the JSON answer; dots go deeper")

    @field_validator("outcomes", mode="before")
    @classmethod
    def _known(cls, outcomes: Any) -> Any:
        """Every status is one that an answer can have, every outcome has a known name, and somebody can win."""
        for status, outcome in outcomes.items() if isinstance(outcomes, dict) else ():
            where = f"http.buy.outcomes: {status} = {outcome!r}"
            if not (len(status) == 3 and status.isascii() and status.isdecimal() and int(status) >= 200):
                raise rule(f"{where}: expected the status of an HTTP answer, such as 202, found {status!r}")
            if outcome not in get_args(BuyOutcome):
                raise rule(f"{where}: no such outcome; {nearest(str(outcome), get_args(BuyOutcome))}")
        if isinstance(outcomes, dict) and "won" not in outcomes.values():
            raise rule(
                "http.buy.outcomes: no status means 'won', so that nobody can buy; add the one that your shop sells with"
            )
        return outcomes


class Status(Request):
    """The request by which a buyer learns what became of an order."""

    state: str = Field("status", description="key of the state in the JSON answer")
    pending: tuple[str, ...] = Field(("queued",), strict=False)
    confirmed: tuple[str, ...] = Field(("confirmed",), strict=False)
    rejected: tuple[str, ...] = Field(("rejected",), strict=False)


class Http(Section):
    """How buyers talk to the shop."""

    base_url: str = Field(pattern=r"^https?://[^/\s]+$", description="without a path")
    warm: Request = Field(description="asked once by each buyer before T0, to open the connection")
    buy: Buy
    status: Status | None = None
    cookies: bool = Field(False, description="buyers keep the cookies that the shop sets, and send them back")
    follow_redirects: bool = Field(False, description="a GET follows redirects within the same origin, five at most")
    compressed: bool = Field(False, description="buyers accept gzip and deflate")


class Process(Section):
    """One process of the shop; stopped in reverse order."""

    role: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    command: tuple[str, ...] = Field(min_length=1, strict=False)
    count: str = Field("1", description="how many, may be a placeholder such as {workers.count}")
    ready_url: str | None = Field(None, description="ready when this answers 200")
    ready_log: str | None = Field(None, description="ready when a line of its log contains this")
    ready_s: float = Field(30, gt=0)
    stop_signal: Literal["TERM", "QUIT", "INT"] = "TERM"
    stop_s: float = Field(10, gt=0, description="seconds before it is killed")
    when: Literal["always", "queued", "inline"] = Field("always", description="only with that dispatch")


class Prepare(Section):
    """The command that prepares the sale: schema, stock, numbers. It must leave the same state however often it runs."""

    command: tuple[str, ...] = Field(min_length=1, strict=False)
    timeout_s: float = Field(60, gt=0)


class Queue(Section):
    """The Celery queue between the claim and the row."""

    name: str = Field(pattern=r"^[^{}]+$", description="taken as it is, without placeholders")
    number: str = Field(
        "args.0",
        pattern=r"^(args\.\d+|kwargs\.\w+)$",
        description="where a task carries the order number: args.N or kwargs.NAME",
    )
    task: str | None = Field(None, description="name of the task that places an order, for `loadtest limit`")


class Final(Section):
    """Where the final reads come from: the sets that a verdict is computed from."""

    seeded: Source
    rows: Source
    tokens: Source | None = None
    claims: Source | None = None
    rejected: Source | None = None
    near_misses: Source | None = None

    @model_validator(mode="after")
    def _readable(self) -> Self:
        """Each is read from where it can be."""
        _check_readable({name: getattr(self, name) for name in self.model_fields_set}, "final")
        return self


class Scheme(Section):
    """A stock scheme that the shop offers: its kinds of dispatch, and the final reads that differ from the manifest's general ones."""

    dispatch: tuple[Literal["queued", "inline"], ...] = Field(("queued", "inline"), strict=False)
    why: str = Field("", description="the reason why it does not offer the other, for whoever asks for it")
    final: dict[str, Source] = {}


class Proof(Section):
    """A sale that is wrong on purpose, and the checks of which one must fail on it: proof that the check can fail."""

    what: str = Field(description="the mistake, in a sentence")
    trips: tuple[str, ...] = Field(
        min_length=1,
        strict=False,
        description="checks of which one must be INVALID; or `unknown`, or `valid` of what is odd and right",
    )
    beside: tuple[str, ...] = Field((), strict=False, description="checks that may be INVALID as well")
    experiment: dict[str, Any] = Field({}, description="key = value laid over the experiment; dotted keys in quotes")


class Shop(Section):
    """A whole manifest.

    `controls` are experiments that must fail as they are; `mutants` need a mistake built into the shop, which is told its name
    by the placeholder ``{mutant}``.
    """

    name: str
    sale: str = Field("sale", pattern=r"^[A-Za-z0-9_-]+$")
    env: dict[str, str] = Field({}, description="environment of `prepare` and of every process")
    pass_env: tuple[Variable, ...] = Field(
        (), strict=False, description="variables of the harness's own environment that they get too, and the buyers"
    )
    prepare: Prepare | None = None
    process: tuple[Process, ...] = Field((), strict=False)
    http: Http
    queue: Queue | None = None
    final: Final
    schemes: dict[str, Scheme] = {}
    controls: dict[str, Proof] = {}
    mutants: dict[str, Proof] = {}

    @model_validator(mode="after")
    def _readable(self) -> Self:
        """What a scheme reads elsewhere is a set that there is, read from where it can be."""
        for name, scheme in self.schemes.items():
            _check_readable(scheme.final, f"schemes.{name}.final")
        return self

    def final_for(self, scheme: str) -> Final:
        """The final reads under `scheme`: the general ones, replaced by the scheme's own where it has any."""
        own = self.schemes[scheme].final if scheme in self.schemes else {}
        return self.final.model_copy(update=own)


def load_shop(experiment: Experiment) -> tuple[Shop, Path]:
    """The manifest that `experiment` names, checked against it, and the file it came from.

    Raises:
        UsageError: no such file, a wrong key or value, or a scheme or dispatch that the shop does not offer.
    """
    path = find_file(experiment.shop)
    shop = parse(Shop, read_toml(path), str(path))
    _check_names(shop, path.name)
    if experiment.mutant and experiment.mutant not in shop.mutants:
        raise UsageError(
            f"mutant = {experiment.mutant!r}: {path.name} knows no such mutant; {nearest(experiment.mutant, shop.mutants)}"
        )
    if not shop.schemes:
        return shop, path
    if experiment.scheme not in shop.schemes:
        raise UsageError(
            f"scheme = {experiment.scheme!r}: {path.name} offers no such scheme; {nearest(experiment.scheme, shop.schemes)}"
        )
    scheme = shop.schemes[experiment.scheme]
    if experiment.dispatch not in scheme.dispatch:
        reason = f" ({scheme.why})" if scheme.why else ""
        raise UsageError(
            f"dispatch = {experiment.dispatch!r}: scheme {experiment.scheme!r} offers {' and '.join(scheme.dispatch)}{reason}; "
            "set dispatch to that"
        )
    return shop, path


def _check_readable(sources: Mapping[str, Source | None], where: str) -> None:
    for name, source in sources.items():
        if name not in READABLE:
            raise rule(f"{where}.{name}: no such set; {nearest(name, READABLE)}")
        kinds, reason = READABLE[name]
        if source and source.kind not in kinds:
            raise rule(
                f"{where}.{name} = {{ {source.kind} = … }}: expected one of {', '.join(kinds)}, because {reason}"
            )


def _check_names(shop: Shop, file: str) -> None:
    """Raises UsageError for a placeholder that does not exist, wherever buyers or final reads would fill it."""
    requests = {"http.warm": shop.http.warm, "http.buy": shop.http.buy, "http.status": shop.http.status}
    for where, request in requests.items():
        if request:
            _check_request(request, OF_AN_ORDER if where == "http.status" else OF_A_BUYER, f"{file}: {where}")
    sets = {"final": {name: getattr(shop.final, name) for name in READABLE}}
    sets |= {f"schemes.{name}.final": dict(scheme.final) for name, scheme in shop.schemes.items()}
    for where, sources in sets.items():
        for name, source in sources.items():
            if source:
                _check_source(source, f"{file}: {where}.{name}")


def _check_request(request: Request, names: tuple[str, ...], where: str) -> None:
    check_strictly(request.request, names, f"{where}.request")
    for header, text in request.headers.items():
        check_strictly(text, names, f"{where}.headers.{header}")
    for text in texts(request.body):
        check_loosely(text, names, f"{where}.body")


def _check_source(source: Source, where: str) -> None:
    where = f"{where}.{source.kind}"
    if source.kind == "sql":
        check_sql(source.place, where)
    elif source.kind == "pattern":
        check_pattern(source.place, where)
    else:
        check_strictly(source.place, ("sale",), where)
