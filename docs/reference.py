"""``make reference``: writes docs/manifest.md from the manifest's schema, so that no key and no description in it is typed by hand.

python docs/reference.py
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from loadtest.experiment.json_schema import json_schema
from loadtest.manifest.elsewhere import INSTEAD
from loadtest.manifest.shop import Shop

PAGE = Path(__file__).parent / "manifest.md"
HEAD = """# The manifest: every key

A manifest is a TOML file that tells the harness how to prepare, start, buy from and read a shop. [Your own shop](your-own-shop.md) writes one from nothing, step
by step; `loadtest init` drafts one, `loadtest check FILE` tries it out, and `loadtest schema` prints the JSON Schema that this page is made from (`make reference`).

An editor completes and checks keys if the first line is `#:schema manifest.schema.json`, as `loadtest init` writes it.

## Placeholders

| where | what is filled in |
|---|---|
| requests, headers, bodies | `{buyer}` (what the rows call the buyer), `{buyer.n}` (1, 2, 3 …), `{buyer.COLUMN}` of the users' file, `{sale}`, and what earlier steps captured. A JSON value that is nothing else keeps its type: `"{buyer.n}"` is a number |
| the request of `[http.status]` | these, `{number}` (what the buyer was told), and what `buy` captured |
| commands, `env`, addresses | `{sale}`, `{port}` (a free one), `{base_url}`, `{python}`, `{name}`, `{here}` (the manifest's folder), `{scratch}` (an empty folder of this run), `{stack.postgres}`, `{stack.mysql}`, `{stack.redis}`, `{stack.broker}`, `{stack.broker_admin}` as URLs, parts of them as `{stack.postgres.host}`, `.port`, `.user`, `.password`, `.database`, and every key of the experiment, such as `{stock}` or `{limiter.rate_per_s}` |
| Redis keys of `[final]` | `{sale}` |
| SQL | `:sale` and `:stock`, which are bound |

The file is copied to the run directory as it was written: passwords belong into placeholders.
"""
ELSEWHERE = """## What there is not

Whoever writes one of these is told what to use instead, before anything starts; every other wrong key, value or placeholder is told with the nearest that is right.

| not there | use |
|---|---|"""
# What one definition is called where it stands in many places.
TITLES = {
    "Request": "A request: `warm = { … }`",
    "Condition": "Conditions: `expect = { … }`",
    "Source": "A source: `rows = { … }`",
}
# What others begin with, and how they say so.
SHARED = {"Request": "the keys of a request, above", "Condition": "the conditions, above"}


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


def page() -> str:
    """The page as it should be."""
    schema = json_schema(Shop, "")
    definitions = schema["$defs"]
    shared = {note: definitions[name] for name, note in SHARED.items()}
    sections = [HEAD, _section("Above the first table", schema, {})]
    sections += [_section(title, definitions[name], shared) for title, name in tables(schema)]
    return "\n".join([*sections, _elsewhere()])


def tables(schema: dict[str, Any]) -> list[tuple[str, str]]:
    """The title and the definition of every table of a manifest, in the order of its keys. Each definition comes once."""
    found: dict[str, str] = {}
    _collect(schema, schema, "", found)
    return [(title, name) for name, title in found.items()]


def _collect(node: dict[str, Any], schema: dict[str, Any], path: str, found: dict[str, str]) -> None:
    for key, field in node["properties"].items():
        for form, name in _tables_of(field):
            if name not in found:
                inner = f"{path}{key}{'.NAME' if form == 'named' else ''}"
                found[name] = TITLES.get(name, f"`[[{inner}]]`" if form == "many" else f"`[{inner}]`")
                _collect(schema["$defs"][name], schema, f"{inner}.", found)


def _tables_of(field: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """How a field holds tables, one, many, or named ones, and their definition."""
    for form, holder in (
        ("one", field),
        ("many", field.get("items", {})),
        ("named", field.get("additionalProperties")),
    ):
        if isinstance(holder, dict) and "$ref" in holder:
            yield form, holder["$ref"].rpartition("/")[2]
    for each in field.get("anyOf", ()):
        yield from _tables_of(each)


def _section(title: str, node: dict[str, Any], shared: dict[str, dict[str, Any]]) -> str:
    first, *more = (" ".join(part.split()).replace("``", "`") for part in node["description"].split("\n\n"))
    lines = [f"## {title}", "", first, "", "| key | value | by default | |", "|---|---|---|---|"]
    own = node["properties"]
    for note, base in shared.items():
        if node is not base and base["properties"].items() <= own.items():
            own = {key: field for key, field in own.items() if key not in base["properties"]}
            lines.append(f"| … | | | {note} |")
    for key, field in own.items():
        default = "**required**" if key in node.get("required", ()) else _default(field)
        lines.append(f"| `{key}` | {_value(field)} | {default} | {_cell(field['description'])} |")
    return "\n".join([*lines, "", *(f"{part}\n" for part in more)])


def _elsewhere() -> str:
    lines = [ELSEWHERE, *(f"| `{key.replace('=', ' = ')}` | {_cell(use)} |" for key, use in INSTEAD.items())]
    return "\n".join([*lines, ""])


def _default(field: dict[str, Any]) -> str:
    default = field.get("default")
    if default is None:
        return ""
    return f"`{_toml(default)}`"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _value(field: dict[str, Any]) -> str:
    """What may stand there, in words."""
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(_value(each) for each in field["anyOf"]))
    if "enum" in field:
        return " · ".join(f"`{each}`" for each in field["enum"])
    if "const" in field:
        return f"`{field['const']}`"
    if "$ref" in field:
        return "table"
    if field.get("type") == "array":
        inner = field.get("items", {})
        return "tables" if "$ref" in inner else f"list of {_plural(inner)}"
    if field.get("type") == "object":
        named = field.get("additionalProperties")
        if isinstance(named, dict):
            return "tables, by name" if "$ref" in named else f"table of {_plural(named)}"
        return "table"
    return {"string": "text", "integer": "whole number", "number": "number", "boolean": "`true` · `false`"}[
        field["type"]
    ]


def _plural(field: dict[str, Any]) -> str:
    if isinstance(field.get("type"), str) and "enum" not in field:
        return f"{_value(field)}s"
    return "values" if "enum" not in field else _value(field)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("``", "`")


if __name__ == "__main__":
    main()
