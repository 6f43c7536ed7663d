"""docs/manifest.md is what the manifest's schema says."""

import subprocess
import sys
from pathlib import Path

PAGE = Path("docs/manifest.md")


def test_it_is_up_to_date(root: Path, tmp_path: Path) -> None:
    program = "import runpy; print(runpy.run_path('docs/reference.py')['page'](), end='')"
    made = subprocess.run(
        [sys.executable, "-c", program],
        cwd=root,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    assert (root / PAGE).read_text(encoding="utf-8") == made.stdout, "out of date: make reference"
