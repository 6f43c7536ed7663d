"""Reads tables of TOML files and checks them against a model; an error becomes one line."""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import PydanticCustomError

from loadtest.errors import UsageError
from loadtest.experiment.sentences import RULE, sentence


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


NOTHING: Mapping[str, str] = MappingProxyType({})


def parse(model: type[S], data: dict[str, Any], source: str, instead: Mapping[str, str] = NOTHING) -> S:
    """`data` as `model`. Raises UsageError with the first error in one line: key, value, what was expected, nearest key; see `sentence`."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise UsageError(f"{source}: {sentence(model, data, error, instead)}") from None


def flatten(data: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Every value of nested tables, with its dotted key."""
    for name, value in data.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
