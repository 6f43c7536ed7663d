"""How buyers talk to the shop: requests, the steps before a purchase, and what answers mean."""

from ipaddress import ip_network
from itertools import combinations
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, AliasChoices, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from loadtest.experiment.section import Section, rule
from loadtest.manifest.rules import BuyRule, ByStatus, Condition, Place, StatusRule, rules_by_status

Captures = dict[Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]*$")], Place]
RESERVED = ("sale", "buyer", "number")


def _new_names(captures: dict[str, str]) -> dict[str, str]:
    for name in captures:
        if name in RESERVED:
            raise rule(f"{name!r} is a placeholder of its own; give what is captured another name")
    return captures


def _either_name(schema: dict[str, Any]) -> None:
    """A body may be called `json` or `body`, and there is one body at most."""
    bodies = ("json", "body", "form", "text")
    properties = schema["properties"]
    schema["properties"] = {
        "request": properties["request"],
        "json": properties["json"],
        "body": properties["json"],
        **properties,
    }
    schema["not"] = {"anyOf": [{"required": list(pair)} for pair in combinations(bodies, 2)]}


class Request(Section):
    """One HTTP request, such as ``POST /sales/{sale}/orders``. At most one of `json`, `form` and `text` is its body."""

    model_config = ConfigDict(json_schema_extra=_either_name)

    request: str = Field(
        pattern=r"^(GET|HEAD|POST|PUT|PATCH|DELETE) [/{]\S*$",
        description="method and path, such as POST /sales/{sale}/orders",
    )
    body: dict[str, Any] | None = Field(
        None,
        validation_alias=AliasChoices("json", "body"),
        description="sent as JSON; strings may hold placeholders, and one that is all of a string keeps its type",
    )
    form: dict[str, str] | None = Field(None, description="sent as an HTML form is (application/x-www-form-urlencoded)")
    text: str | None = Field(None, description="sent as it is")
    headers: dict[str, str] = Field({}, description="header → value; values may hold placeholders")

    @model_validator(mode="after")
    def _one_body(self) -> Self:
        if sum(each is not None for each in (self.body, self.form, self.text)) > 1:
            raise rule(
                f"{self.request!r}: expected one of json, form and text, found several; keep the one that the shop reads"
            )
        return self


class Step(Request):
    """A request of each buyer before the purchase, such as a log-in. One whose answer is not as expected ends that buyer's visit."""

    expect: Condition = Field(
        Condition(), description="what the answer must be like; without it any status below 400 will do"
    )
    capture: Annotated[Captures, AfterValidator(_new_names)] = Field(
        {}, description="placeholder → where the answer holds its value"
    )
    at: Literal["before", "click"] = Field(
        "before", description="before T0, or as part of the purchase itself, whose time then counts"
    )


class Buy(Request):
    """The request that takes a unit, and what its answers mean: the first rule that matches decides; no rule: unknown."""

    outcomes: Annotated[
        tuple[BuyRule, ...], BeforeValidator(rules_by_status, json_schema_input_type=tuple[BuyRule, ...] | ByStatus)
    ] = Field(strict=False, description='rules, or in short { 202 = "won" } by HTTP status')
    number: Place | Literal["buyer"] | None = Field(
        None,
        description="where a winner's answer holds the order number: json:a.b, header:Location, a part of one as in header:Location:/orders/(\\d+), regex:…, or `buyer` where that is the buyer",
    )
    capture: Annotated[Captures, AfterValidator(_new_names)] = Field(
        {}, description="placeholder of [http.status] → where the answer holds it"
    )

    @field_validator("outcomes")
    @classmethod
    def _somebody_can_win(cls, outcomes: tuple[BuyRule, ...]) -> tuple[BuyRule, ...]:
        if not {"won", "accepted"} & {each.outcome for each in outcomes}:
            raise rule(
                "http.buy.outcomes: no answer means 'won' or 'accepted', so that nobody can buy; add the one that your shop sells with"
            )
        return outcomes


class Status(Request):
    """The request by which a buyer learns what became of an order. Its rules are `outcomes`, or in short `state` and its values."""

    state: str = Field("status", description="key of the state in the JSON answer")
    pending: tuple[str, ...] = Field(
        ("queued",), strict=False, description="states in which the buyer asks again later"
    )
    confirmed: tuple[str, ...] = Field(
        ("confirmed",), strict=False, description="states that promise: the order stands, and its row must be there"
    )
    rejected: tuple[str, ...] = Field(
        ("rejected",), strict=False, description="states in which the order is turned down"
    )
    outcomes: tuple[StatusRule, ...] = Field(
        (),
        strict=False,
        description="rules, the first that matches decides; instead of state, pending, confirmed and rejected",
    )

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        short = {"state", "pending", "confirmed", "rejected"} & self.model_fields_set
        if self.outcomes and short:
            raise rule(f"http.status: expected outcomes, or {', '.join(sorted(short))}, found both; keep outcomes")
        return self

    @property
    def rules(self) -> tuple[StatusRule, ...]:
        """What its answers mean, whichever form the manifest has: the first that matches decides."""
        if self.outcomes:
            return self.outcomes
        states = {"pending": self.pending, "confirmed": self.confirmed, "rejected": self.rejected}
        return tuple(
            StatusRule.model_validate({"status": 200, "json": {self.state: text}, "is": state})
            for state, texts in states.items()
            for text in texts
        )


def _network(network: str) -> str:
    try:
        found = ip_network(network)
    except ValueError as error:
        raise rule(f"http.source_addresses = {network!r}: expected a network such as '127.1.0.0/16': {error}") from None
    if not found.is_loopback:
        raise rule(
            f"http.source_addresses = {network!r}: expected addresses that every machine has of its own, such as '127.1.0.0/16'"
        )
    return network


class Http(Section):
    """How buyers talk to the shop."""

    base_url: str = Field(
        pattern=r"^https?://[^/\s]+$", description="where the shop answers, without a path: http://127.0.0.1:{port}"
    )
    warm: Request | None = Field(None, description="asked once by each buyer before T0, to open the connection")
    before: tuple[Step, ...] = Field(
        (),
        strict=False,
        description="what each buyer does before the purchase, one after the other: log in, fetch a token",
    )
    pace_per_s: float = Field(100, gt=0, le=1e6, description="buyers who begin their steps before T0, a second")
    buy: Buy = Field(description="the request that takes a unit")
    status: Status | None = Field(None, description="the request by which buyers learn what became of their order")
    cookies: bool = Field(False, description="buyers keep the cookies that the shop sets, and send them back")
    follow_redirects: bool = Field(False, description="a GET follows redirects within the same origin, five at most")
    compressed: bool = Field(False, description="buyers accept gzip and deflate")
    source_addresses: Annotated[str, AfterValidator(_network)] | None = Field(
        None, description="network from which each buyer gets an address of their own, for shops that limit by address"
    )

    def steps_s(self, buyers: int) -> float:
        """How many seconds it takes until each of `buyers` has begun the steps before T0: 0 without such steps."""
        return buyers / self.pace_per_s if any(step.at == "before" for step in self.before) else 0

    @property
    def tells_numbers(self) -> bool:
        """Whether some answer tells an order number."""
        ruled: list[BuyRule | StatusRule] = [*self.buy.outcomes, *(self.status.rules if self.status else ())]
        return self.buy.number is not None or any(each.number for each in ruled)
