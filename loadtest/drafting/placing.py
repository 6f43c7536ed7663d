"""Puts a draft where its user wants it: beside it the schema that editors check it by. Nothing is written over."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from loadtest.drafting import curl, har, openapi
from loadtest.drafting.draft import SCHEMA_FILE, Draft, written
from loadtest.errors import UsageError
from loadtest.experiment.names import nearest

TEMPLATES = Path(__file__).parent / "templates"
SOURCES: dict[str, Callable[[str], Draft]] = {
    "curl": curl.draft_of,
    "har": lambda file: har.draft_of(Path(file)),
    "openapi": openapi.draft_of,
}


def templates() -> list[str]:
    """The names of the templates."""
    return sorted(path.stem for path in TEMPLATES.glob("*.toml"))


def draft_text(kind: str, source: str, name: str) -> str:
    """The manifest of a shop called `name`, from a `source` of that kind: curl, har, openapi, or a template.

    Raises:
        UsageError: the source cannot be read, or nothing in it looks like a purchase.
    """
    if kind == "template":
        if source not in templates():
            raise UsageError(f"--template {source!r}: no such template; {nearest(source, templates())}")
        text = (TEMPLATES / f"{source}.toml").read_text(encoding="utf-8").replace('"NAME"', json.dumps(name), 1)
        return f"#:schema {SCHEMA_FILE}\n{text}"
    return written(SOURCES[kind](source), name)


def place(file: Path, text: str, schema: dict[str, Any]) -> None:
    """Write the manifest, and beside it the schema, unless somebody else's file is there.

    Raises:
        UsageError: the manifest exists, or cannot be written.
    """
    try:
        with file.open("x", encoding="utf-8") as new:
            new.write(text)
    except FileExistsError:
        raise UsageError(f"{file}: exists, and is not written over; give another name, or move it away") from None
    except OSError as error:
        raise UsageError(f"{file}: cannot be written: {error.strerror}") from None
    beside = file.parent / SCHEMA_FILE
    if not beside.exists() or schema["title"] in beside.read_text(encoding="utf-8", errors="replace"):
        beside.write_text(json.dumps(schema, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def name_of(file: Path) -> str:
    """What a shop is called whose manifest is `file`: after its folder where the file's name says nothing."""
    stem = file.stem if file.stem not in ("shop", "manifest", "loadtest") else file.resolve().parent.name
    return re.sub(r"\s+", "-", stem) or "shop"
