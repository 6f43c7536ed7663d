"""What is wrong with a file, in one line: the key as its user wrote it, what stands there, what was expected, and the nearest that is right."""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import AliasChoices, BaseModel, ValidationError
from pydantic.fields import FieldInfo

from loadtest.experiment.names import nearest

# The type of errors whose message is complete; it is shown after its key.
RULE = "rule"
# What pydantic calls things, in the words of a TOML file.
IN_TOML = {
    "tuple_type": 'a list in square brackets, such as ["a", "b"]',
    "list_type": "a list in square brackets",
    "dict_type": "a table, such as { key = … }",
    "model_type": "a table, such as { key = … }",
    "model_attributes_type": "a table, such as { key = … }",
    "string_type": "a text in quotes",
    "bool_type": "true or false, without quotes",
}
INDEX = re.compile(r" \d+(, \d+)*(?=\.|$)")


def sentence(model: type[BaseModel], data: Any, error: ValidationError, instead: Mapping[str, str]) -> str:
    """The first error of `data` in one line. `instead`: what to use instead of a key, or of ``key=value``, that others have and this file has not."""
    # A misspelt key gives two errors, an unknown key and a missing one; the unknown key is the one that helps.
    first = min(error.errors(include_url=False), key=lambda e: e["type"] != "extra_forbidden")
    where = _Place(model, data, first["loc"])
    if first["type"] == RULE:
        told = where.path and not first["msg"].startswith(where.path.partition(".")[0])
        return f"{where.path}: {first['msg']}" if told else str(first["msg"])
    if first["type"] == "extra_forbidden":
        return unknown_key(where.path, model, instead)
    if first["type"] == "missing":
        return f"{where.path}: required, and not there{where.description(' ({})')}"
    value = first["input"]
    if isinstance(value, str) and (found := instead.get(f"{INDEX.sub('', where.path)}={value.lower()}")):
        return f"{where.path} = {value!r}: not supported; use {found}"
    return f"{where.path} = {value!r}: expected {_expected(first, where)}"


def unknown_key(path: str, model: type[BaseModel], instead: Mapping[str, str]) -> str:
    """The line about a key that `model` does not take."""
    plain = INDEX.sub("", path)
    if found := _instead(plain, instead):
        return f"unknown key {path!r}: not supported; use {found}"
    *tables, last = plain.split(".")
    beside = _beside(model, tables)
    if near := get_close_matches(last, beside, n=1, cutoff=0.6):
        return f"unknown key {path!r}; nearest valid: {'.'.join([*tables, near[0]])!r}"
    hint = nearest(plain, keys(model, lists=True))
    if not hint.startswith("nearest"):
        hint = f"valid there: {', '.join(sorted(beside))}"
    return f"unknown key {path!r}; {hint}"


def _beside(model: type[BaseModel], tables: list[str]) -> list[str]:
    """The keys and tables that the table called by `tables` takes."""
    for table in tables:
        fields = {written: field for name, field in model.model_fields.items() for written in _names(name, field)}
        if table not in fields:
            return []
        model = next(_models(fields[table].annotation), model)
    return [written for name, field in model.model_fields.items() for written in _names(name, field)]


def _instead(plain: str, instead: Mapping[str, str]) -> str | None:
    """By the whole dotted key, else by its last part, however it is spelt: ``thinkTime`` is ``think_time``."""
    last = plain.rpartition(".")[2]
    return instead.get(plain) or instead.get(re.sub(r"[_-]", "", last).lower())


def keys(model: type[BaseModel], prefix: str = "", lists: bool = False) -> Iterator[str]:
    """Every dotted key that `model` takes, by the names that users write. A list of tables is one key; with `lists` its tables' keys are named too."""
    for name, field in model.model_fields.items():
        inner = next(_models(field.annotation, lists), None)
        for written in _names(name, field):
            if inner:
                yield from keys(inner, f"{prefix}{written}.", lists)
            else:
                yield f"{prefix}{written}"


def _models(annotation: Any, lists: bool = True) -> Iterator[type[BaseModel]]:
    for kind in _kinds(annotation, lists):
        if _is_model(kind):
            yield kind


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _names(name: str, field: FieldInfo) -> list[str]:
    """What users call a field: its first alias, and its own name only where it has none."""
    alias = field.validation_alias
    return [str(alias.choices[0])] if isinstance(alias, AliasChoices) else [name]


def _kinds(annotation: Any, lists: bool = True) -> Iterator[Any]:
    """The types that a key may hold, and with `lists` those that a list in it may."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from _kinds(arguments[0], lists)
    elif origin in (UnionType, Union):
        for each in arguments:
            yield from _kinds(each, lists)
    elif origin in (tuple, list) and lists:
        yield from _kinds(arguments[0], lists)
    else:
        yield annotation


class _Place:
    """Where in a file an error is: `path` as a user would say it, the second of several tables as ``http.before 2``."""

    def __init__(self, model: type[BaseModel], data: Any, loc: tuple[int | str, ...]) -> None:
        self.field: FieldInfo | None = None
        self.value_of_map = False
        self.data = data
        self.parts: list[str] = []
        kinds: list[Any] = [model]
        for part in loc:
            kinds = self._enter(part, kinds)

    def _enter(self, part: int | str, kinds: list[Any]) -> list[Any]:
        """One step further; gives the types that are there. A part that is none of the file's own, such as the member of a union, stays where it is."""
        if isinstance(part, int):
            if self.parts and isinstance(self.data, list):  # a table that may stand alone does not have a number
                self.data = self.data[part]
                self.parts[-1] += f", {part + 1}" if INDEX.search(self.parts[-1]) else f" {part + 1}"
            return kinds
        if isinstance(self.data, dict) and part in self.data:
            self.data = self.data[part]
        for kind in kinds:
            found = self._enter_model(part, kind) if _is_model(kind) else self._enter_map(part, kind)
            if found is not None:
                return found
        if any(map(_is_model, kinds)) and not re.search(r"[\[(]", part):
            self.parts.append(part)
            return []
        return kinds

    def _enter_model(self, part: str, kind: type[BaseModel]) -> list[Any] | None:
        for name, field in kind.model_fields.items():
            if part in (name, *_all_names(field)):
                self.field, self.value_of_map = field, False
                self.parts.append(_names(name, field)[0] if part == name else part)
                return list(_kinds(field.annotation))
        return None

    def _enter_map(self, part: str, kind: Any) -> list[Any] | None:
        if get_origin(kind) is not dict or part == "[key]":
            return None
        self.parts.append(part)
        self.value_of_map = True
        return list(_kinds(get_args(kind)[1]))

    @property
    def path(self) -> str:
        return ".".join(self.parts)

    def description(self, form: str = "{}") -> str:
        """What the key is for, if it says so and is no table of the user's own names."""
        told = self.field.description if self.field and not self.value_of_map else None
        return form.format(told) if told else ""


def _all_names(field: FieldInfo) -> list[str]:
    alias = field.validation_alias
    return [str(choice) for choice in alias.choices] if isinstance(alias, AliasChoices) else []


def _expected(error: Any, where: _Place) -> str:
    if error["type"] == "string_pattern_mismatch":
        return where.description() or f"a text of the form {error['ctx']['pattern']}"
    expected = IN_TOML.get(error["type"]) or error["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    return f"{expected}{where.description(' ({})')}"
