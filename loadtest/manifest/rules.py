"""What an answer means: conditions on its status, headers and body, and the places in it that hold a value."""

import re
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, AliasChoices, Field, WithJsonSchema

from loadtest.experiment.names import nearest
from loadtest.experiment.section import Section, rule

# What an answer to `buy` can mean. `accepted`: the order is queued, and nothing is promised yet.
BuyOutcome = Literal["won", "accepted", "sold_out", "already_bought", "throttled", "refused", "unknown"]
# What an answer to `status` can mean.
OrderState = Literal["pending", "confirmed", "rejected"]
# Rules in short: HTTP status → meaning.
ByStatus = dict[Annotated[str, Field(pattern=r"^[2-9][0-9][0-9]$")], BuyOutcome]

KINDS_OF_PLACE = ("json", "header", "cookie", "regex")
PREFIX = re.compile(r"([A-Za-z_]+):")


def split_place(place: str) -> tuple[str, str]:
    """The kind of a place and the rest: ``header:Location`` is ``("header", "Location")``. A text without a prefix is a JSON key."""
    kind, colon, rest = place.partition(":")
    return (kind, rest) if colon and kind in KINDS_OF_PLACE else ("json", place)


def split_header(rest: str) -> tuple[str, str]:
    """The name of a header, and the regular expression after it: ``Location:/orders/(\\d+)``. An empty one: the whole value."""
    name, _, pattern = rest.partition(":")
    return name.strip(), pattern


def _place(place: str) -> str:
    prefix = PREFIX.match(place)
    if prefix and prefix[1] not in KINDS_OF_PLACE:
        raise rule(
            f"{place!r}: no such place in an answer; {nearest(prefix[1], KINDS_OF_PLACE)}, such as 'json:data.id', 'header:Location', "
            "'cookie:csrftoken' or 'regex:/orders/(\\d+)'"
        )
    kind, rest = split_place(place)
    if not rest.strip():
        raise rule(f"{place!r}: expected what to look for after {kind}:")
    pattern = {"regex": rest, "header": split_header(rest)[1]}.get(kind)
    if pattern:
        check_regex(pattern, place)
        if re.compile(pattern).groups != 1:
            raise rule(
                f"{place!r}: expected one group in the regular expression, in round brackets: what it finds is the value"
            )
    return place


def check_regex(pattern: str, where: str) -> None:
    """Refuse what is no regular expression.

    Raises:
        PydanticCustomError: for a validator, with a complete sentence.
    """
    try:
        re.compile(pattern)
    except re.error as error:
        raise rule(f"{where}: not a regular expression: {error}") from None


def _regex(pattern: str) -> str:
    check_regex(pattern, repr(pattern))
    return pattern


def _status(status: int | tuple[int, ...]) -> int | tuple[int, ...]:
    for each in status if isinstance(status, tuple) else (status,):
        if not 200 <= each <= 599:
            raise rule(f"{each}: expected the status of an HTTP answer, such as 202")
    return status


def _scalars(json: dict[str, Any]) -> dict[str, Any]:
    for key, value in json.items():
        if not isinstance(value, str | int | float | bool):
            raise rule(
                f"{key!r} = {value!r}: expected a text, a number or a boolean; dots go deeper, such as 'data.state'"
            )
    return json


# Where an answer holds a value: ``json:data.id`` (``$`` is the whole of it), ``header:Location``, or a part of it as in
# ``header:Location:/orders/(\d+)``, ``cookie:csrftoken``, or ``regex:/orders/(\d+)`` over the body.
Place = Annotated[str, AfterValidator(_place)]
# The bounds are told to editors here, and to users by `_status`, in a sentence.
_Answered = Annotated[int, WithJsonSchema({"type": "integer", "minimum": 200, "maximum": 599})]
HttpStatus = Annotated[_Answered | Annotated[tuple[_Answered, ...], Field(strict=False)], AfterValidator(_status)]


class Condition(Section):
    """What an answer must be like: everything that is named. Nothing named matches any answer."""

    status: HttpStatus | None = Field(None, description="HTTP status, or several")
    in_json: Annotated[dict[str, Any], AfterValidator(_scalars)] = Field(
        {},
        validation_alias=AliasChoices("json", "in_json"),
        json_schema_extra={"additionalProperties": {"type": ["string", "number", "boolean"]}},
        description="dotted key → value; a text is compared with the value as text, a number or boolean exactly",
    )
    contains: str | None = Field(None, min_length=1, description="text that the body contains")
    matches: Annotated[str, AfterValidator(_regex)] | None = Field(
        None, description="regular expression found somewhere in the body"
    )
    header: dict[str, str] = Field({}, description="header → text that its value contains")


class BuyRule(Condition):
    """An answer to `buy`, and what it means."""

    outcome: BuyOutcome = Field(
        validation_alias=AliasChoices("is", "outcome"),
        description="what it means. won: the unit is promised; accepted: queued, nothing promised yet; refused: there certainly is no order; "
        "unknown: there may be one",
    )
    number: Place | None = Field(
        None, description="where this answer tells the order number, if not where `number` of [http.buy] says"
    )


class StatusRule(Condition):
    """An answer to `status`, and what it means."""

    outcome: OrderState = Field(
        validation_alias=AliasChoices("is", "outcome"),
        description="what it means. pending: ask again; confirmed: the order stands; rejected: there is none",
    )
    number: Place | None = Field(None, description="where this answer tells the order number, if it is first told here")


def rules_by_status(outcomes: Any) -> Any:
    """The short form of rules, ``{ 202 = "won" }``, as rules. Anything else is given back as it is.

    Raises:
        PydanticCustomError: a status that no answer can have, or an unknown outcome.
    """
    if not isinstance(outcomes, dict):
        return outcomes
    for status, outcome in outcomes.items():
        where = f"http.buy.outcomes: {status} = {outcome!r}"
        if not (len(status) == 3 and status.isascii() and status.isdecimal() and int(status) >= 200):
            raise rule(f"{where}: expected the status of an HTTP answer, such as 202, found {status!r}")
        if outcome not in get_args(BuyOutcome):
            raise rule(f"{where}: no such outcome; {nearest(str(outcome), get_args(BuyOutcome))}")
    return [{"status": int(status), "is": outcome} for status, outcome in outcomes.items()]
