"""Every file is UTF-8, whatever the locale: what opens text says so, in the harness, the shop, the reports, benchmarks, docs and tests.

Ruff's PLW1514 knows paths by their type, and so misses attributes and values of functions; this reads every call by its name.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = [
    path
    for folder in ("loadtest", "target", "reports", "scenarios", "benchmarks", "docs", "tests")
    for path in sorted((ROOT / folder).rglob("*.py"))
]
RUNS = ("run", "Popen", "check_output", "check_call", "call")
TEMPORARY = ("NamedTemporaryFile", "TemporaryFile", "SpooledTemporaryFile")


def unspoken(source: str) -> Iterator[int]:
    """Lines that open text, or decode what a process prints, in whatever encoding the locale has."""
    for call in (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        keys = {keyword.arg: keyword.value for keyword in call.keywords}
        if "encoding" in keys or None in keys:
            continue
        if _is_text(call, name, keys):
            yield call.lineno


def _is_text(call: ast.Call, name: str, keys: dict[str | None, ast.expr]) -> bool:
    method = isinstance(call.func, ast.Attribute)
    if name == "read_text":
        return method and not call.args
    if name == "write_text":
        return method and len(call.args) == 1
    if name == "open":
        return "b" not in _mode(call, keys, 0 if method else 1, "r") and not _opens_no_file(call, keys)
    if name in TEMPORARY:
        return "b" not in _mode(call, keys, 0, "w+b")
    if name in RUNS:
        return any(
            isinstance(keys.get(key), ast.Constant) and keys[key].value for key in ("text", "universal_newlines")
        )  # type: ignore[attr-defined]
    return name in ("fdopen", "TextIOWrapper") and "b" not in _mode(call, keys, 1, "r")


def _mode(call: ast.Call, keys: dict[str | None, ast.expr], place: int, default: str) -> str:
    found = keys.get("mode") or (call.args[place] if len(call.args) > place else None)
    return str(found.value) if isinstance(found, ast.Constant) else default


def _opens_no_file(call: ast.Call, keys: dict[str | None, ast.expr]) -> bool:
    """Whether `open` is another class's: `Desk.open(path, offers)`, `os.open(path, flags)`."""
    if not isinstance(call.func, ast.Attribute):
        return False
    if isinstance(call.func.value, ast.Name) and call.func.value.id == "self":
        return True
    first = call.args[0] if call.args else keys.get("mode")
    return first is not None and not (isinstance(first, ast.Constant) and isinstance(first.value, str))


@pytest.mark.parametrize(
    "source",
    ["p.read_text()", "p.write_text(x)", "open(p)", "p.open()", "p.open('a')", "NamedTemporaryFile('w')", "os.fdopen(1, 'w')",
     "subprocess.run(a, text=True)", "subprocess.Popen(a, universal_newlines=True)", "open(p, mode='w', newline='')"],
)  # fmt: skip
def test_text_in_the_locales_encoding_is_found(source: str) -> None:
    assert list(unspoken(source)) == [1]


@pytest.mark.parametrize(
    "source",
    ["p.read_text(encoding='utf-8')", "p.open('rb')", "p.open('ab')", "open(p, 'wb')", "NamedTemporaryFile()", "os.open(p, flags)",
     "subprocess.run(a)", "write_text(path, text)", "Desk.open(path, offers)"],
)  # fmt: skip
def test_what_names_its_encoding_or_opens_bytes_is_not_found(source: str) -> None:
    assert list(unspoken(source)) == []


def test_every_file_is_opened_as_utf_8() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}" for path in SOURCES for line in unspoken(path.read_text(encoding="utf-8"))
    ]
    assert found == [], 'say encoding="utf-8"'
