"""Reads tables of TOML files and checks them against a model; an error becomes one line."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import PydanticCustomError

from loadtest.errors import UsageError
from loadtest.experiment.names import nearest

# The type of errors whose message is complete, and is shown as it is.
RULE = "rule"


class Section(BaseModel):
    """A table of a TOML file. Unknown keys are errors; values are frozen once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def rule(sentence: str) -> PydanticCustomError:
    """A validation error with a complete message: key, value, what to do. Braces in it are not placeholders."""
    return PydanticCustomError(RULE, "{sentence}", {"sentence": sentence})


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file. Raises UsageError, with the file and the place, if it cannot be read or is not TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not valid TOML: {error}") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None


S = TypeVar("S", bound="Section")


def parse(model: type[S], data: dict[str, Any], source: str) -> S:
    """`data` as `model`. Raises UsageError with the first error in one line: key, value, what was expected, nearest key."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise UsageError(f"{source}: {_sentence(model, error)}") from None


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Every dotted key that `model` takes."""
    for name, field in model.model_fields.items():
        if kind := _table(field.annotation):
            yield from keys(kind, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def _table(annotation: Any) -> type[BaseModel] | None:
    """The model of a key that holds a table, which may be left out (``Queue | None``); None for a plain value."""
    kinds = get_args(annotation) if get_origin(annotation) in (UnionType, Union) else (annotation,)
    for kind in kinds:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


def _sentence(model: type[BaseModel], error: ValidationError) -> str:
    # A misspelt key gives two errors, an unknown key and a missing one; the unknown key is the one that helps.
    first = min(error.errors(include_url=False), key=lambda e: e["type"] != "extra_forbidden")
    if first["type"] == RULE:
        return first["msg"]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"unknown key {key!r}; {nearest(key, keys(model))}"
    if first["type"] == "missing":
        return f"{key}: required, and not there"
    expected = first["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    return f"{key} = {first['input']!r}: expected {expected}{_hint(model, key)}"


def _hint(model: type[BaseModel], key: str) -> str:
    kind: type[BaseModel] = model
    *tables, last = key.split(".")
    for table in tables:
        inner = _table(kind.model_fields[table].annotation) if table in kind.model_fields else None
        if inner is None:
            return ""
        kind = inner
    field = kind.model_fields.get(last)
    return f" ({field.description})" if field and field.description else ""


def flatten(data: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Every value of nested tables, with its dotted key."""
    for name, value in data.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
