"""The certificate: that the checks, as they are now, have been seen to fail for the right reasons.

It holds one digest over every source file that a verdict is computed by. A change to any of them, even to a comment, invalidates it.
"""

import ast
import hashlib
import json
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from loadtest.record.whole import write_text

CERTIFICATE = "certificate.json"
JUDGE = "loadtest.judge.verdict"
PACKAGE = Path(__file__).parent.parent


@cache
def fingerprint(package: Path = PACKAGE) -> str:
    """A digest of the source that a verdict is made by, under `package`: 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for source in judging(package):
        digest.update(source.relative_to(package).as_posix().encode() + b"\0" + source.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def judging(package: Path = PACKAGE) -> list[Path]:
    """The source files of the judge: the module that makes the verdict, and whatever of `package` it imports, directly or not, at the
    top of a file or within a function. Sorted.
    """
    found: set[Path] = set()
    waiting = [JUDGE]
    while waiting:
        for source in _sources(package, waiting.pop()):
            if source not in found:
                found.add(source)
                waiting += _imported(source)
    return sorted(found)


def _imported(source: Path) -> Iterator[str]:
    """The names that a file imports; of ``from a import b`` both a and a.b, since b may be a module."""
    for node in ast.walk(ast.parse(source.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _sources(package: Path, module: str) -> Iterator[Path]:
    """The files that are run when `module` is imported: its own, and those of the packages that hold it."""
    parts = module.split(".")
    if parts[0] != package.name:
        return
    for depth in range(1, len(parts) + 1):
        path = package.joinpath(*parts[1:depth])
        yield from (file for file in (path / "__init__.py", path.with_suffix(".py")) if file.is_file())


def issue(out: Path, exhibits: Sequence[str]) -> None:
    """Write the certificate into `out`, above its runs. `exhibits` names the runs and forgeries that it rests on."""
    text = json.dumps({"checks": fingerprint(), "exhibits": list(exhibits)}, indent=2)
    write_text(out / CERTIFICATE, text)


def certified(run_dir: Path) -> bool:
    """Whether one of the four directories above `run_dir` holds a certificate with the present `fingerprint`."""
    return any(_covers(parent / CERTIFICATE) for parent in run_dir.resolve().parents[:4])


def _covers(certificate: Path) -> bool:
    try:
        return bool(json.loads(certificate.read_text(encoding="utf-8"))["checks"] == fingerprint())
    except (OSError, ValueError, KeyError, TypeError):
        return False
