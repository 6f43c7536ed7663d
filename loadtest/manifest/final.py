"""Where the final reads come from: the stock, the rows, and what lies between."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import ConfigDict, Field, model_validator

from loadtest.experiment.names import nearest
from loadtest.experiment.section import Section, rule
from loadtest.manifest.placeholders import check_pattern, check_sql, check_strictly

# What ``redis_<kind>`` reads, as Redis names the type.
REDIS_KINDS = {"list": "list", "set": "set", "sorted_set": "zset", "hash": "hash", "value": "string"}
NUMBERS = ("sql", "command", "redis_list", "redis_set", "redis_sorted_set", "redis_hash")
PAIRS = ("sql", "command", "redis_hash")
NOT_A_COUNT = "the numbers themselves are needed: a value is only how many, and a pattern is all that there ever were"
# For each key under [final] what may be read, and why nothing else.
READABLE: dict[str, tuple[tuple[str, ...], str]] = {
    "seeded": ((*NUMBERS, "pattern"), "the numbers themselves are needed: a value is only how many"),
    "rows": (PAIRS, "every order is needed, with its buyer where rows have one"),
    "left": ((*NUMBERS, "redis_value"), "a pattern is all that there ever were"),
    "tokens": (NUMBERS, NOT_A_COUNT),
    "claims": (NUMBERS, NOT_A_COUNT),
    "rejected": (PAIRS, "every number is needed with its buyer"),
    "near_misses": ((*NUMBERS, "redis_value"), "a pattern counts nothing"),
}


class Source(Section):
    """Where one set of the final reads comes from, such as the rows or the tokens left. Exactly one key.

    `sql` runs on the database of ``[truth]``; ``:sale`` and ``:stock`` in it are bound parameters. `command` prints CSV with a header, or
    JSON lines. The redis keys are read whole: a list, set or sorted set gives numbers, a hash gives number → buyer, a value
    gives one integer. `pattern` makes the numbers 1…stock.
    """

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    sql: str | None = Field(
        None, description="a query on the database of [truth]; its columns are taken by their names"
    )
    command: tuple[str, ...] | None = Field(
        None, min_length=1, strict=False, description="a program that prints CSV with a header, or a JSON object a line"
    )
    redis_list: str | None = Field(None, description="key of a Redis list of numbers")
    redis_set: str | None = Field(None, description="key of a Redis set of numbers")
    redis_sorted_set: str | None = Field(None, description="key of a Redis sorted set of numbers")
    redis_hash: str | None = Field(None, description="key of a Redis hash, number → buyer")
    redis_value: str | None = Field(None, description="key of a Redis string that holds a whole number: how many")
    pattern: str | None = Field(None, description="the numbers 1 to stock in this form, such as '{sale}-{n:06d}'")

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
        """The value of that key; a command's words are joined by blanks."""
        value: Any = getattr(self, self.kind)
        return " ".join(value) if isinstance(value, tuple) else str(value)


class Truth(Section):
    """The database that `sql` is run on."""

    url: str = Field(
        "{stack.postgres}",
        description="any that SQLAlchemy knows, such as {stack.mysql} or sqlite:///{scratch}/shop.db",
    )


class Final(Section):
    """Where the final reads come from: the sets that a verdict is computed from.

    `seeded` has every number that is for sale, where numbers are known beforehand. Where the shop makes its ids itself (units are
    counted) it is left out, and `left` says how many units were not sold.
    """

    seeded: Source | None = Field(
        None,
        description="every number that is for sale, where numbers are known beforehand; without it, units are counted",
    )
    rows: Source = Field(
        description="the orders that stand at the end, a row each: number, and buyer, created_at, quantity and item where there are such"
    )
    left: Source | None = Field(
        None, description="how many units were not sold: one number. With it, units that vanished are seen"
    )
    tokens: Source | None = Field(None, description="the numbers that are still for sale")
    claims: Source | None = Field(
        None, description="the numbers that are taken and not yet rows; with buyers where they are known"
    )
    rejected: Source | None = Field(
        None, description="the orders that were turned down after they had been accepted: number and buyer"
    )
    near_misses: Source | None = Field(
        None, description="how often the shop's last guard, such as a UNIQUE, stopped a second sale; told in the report"
    )

    @model_validator(mode="after")
    def _readable(self) -> Self:
        """Each is read from where it can be."""
        check_readable({name: getattr(self, name) for name in self.model_fields_set}, "final")
        return self


def check_readable(sources: Mapping[str, Source | None], where: str) -> None:
    """Refuse a set that there is none of, or that is read from where it cannot be.

    Raises:
        PydanticCustomError: for a validator, with a complete sentence.
    """
    for name, source in sources.items():
        if name not in READABLE:
            raise rule(f"{where}.{name}: no such set; {nearest(name, READABLE)}")
        kinds, reason = READABLE[name]
        if source and source.kind not in kinds:
            raise rule(
                f"{where}.{name} = {{ {source.kind} = … }}: expected one of {', '.join(kinds)}, because {reason}"
            )


def check_source(source: Source, where: str) -> None:
    """Refuse a placeholder or bound parameter that nobody fills. Those of a command are looked at with the shop's other commands.

    Raises:
        UsageError: it has such.
    """
    where = f"{where}.{source.kind}"
    if source.kind == "sql":
        check_sql(source.place, where)
    elif source.kind == "pattern":
        check_pattern(source.place, where)
    elif source.kind != "command":
        check_strictly(source.place, ("sale",), where)
