"""The certificate: that the checks, as they are now, have been seen to fail for the right reasons."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

CERTIFICATE = "certificate.json"
JUDGING = (
    "judge/tables.py", "judge/figures/rates.py", "judge/doubts.py", "judge/verdict.py", "record/history.py", "record/shards.py",
    "judge/figures/offered.py", "judge/figures/counts.py",
)  # fmt: skip


def fingerprint() -> str:
    """A digest of the source that a verdict is made by: the checks, and what they ask."""
    here = Path(__file__).parent.parent
    digest = hashlib.sha256()
    for source in sorted([*(here / "judge" / "checks").glob("*.py"), *(here / name for name in JUDGING)]):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def issue(out: Path, exhibits: Sequence[str]) -> None:
    """Write the certificate beside the runs in `out`."""
    (out / CERTIFICATE).write_text(json.dumps({"checks": fingerprint(), "exhibits": list(exhibits)}, indent=2))


def certified(run_dir: Path) -> bool:
    """Whether a directory above `run_dir` holds a certificate of the checks as they are now."""
    return any(_covers(parent / CERTIFICATE) for parent in run_dir.resolve().parents[:4])


def _covers(certificate: Path) -> bool:
    try:
        return bool(json.loads(certificate.read_text())["checks"] == fingerprint())
    except (OSError, ValueError, KeyError, TypeError):
        return False
