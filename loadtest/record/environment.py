"""The environment of a run: versions, machine and command, for whoever wants to repeat it."""

import contextlib
import json
import os
import platform
import shlex
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from loadtest.experiment.files import ROOT
from loadtest.experiment.schema import Experiment
from loadtest.stack.external import Given

PACKAGES = (
    "locust",
    "celery",
    "kombu",
    "redis",
    "sqlalchemy",
    "psycopg2-binary",
    "pymysql",
    "starlette",
    "uvicorn",
    "duckdb",
    "matplotlib",
)


def describe(command: Sequence[str], given: Given) -> str:
    """The text of ``environment.json``: versions, machine, and `command`, which repeats the run and must hold no password."""
    return json.dumps(
        {
            "git_sha": git_sha(),
            "platform": platform.platform(),
            "python": platform.python_version(),
            "cpu_count": os.cpu_count(),
            "cpu_model": cpu_model(),
            "versions": {package: version(package) for package in PACKAGES},
            "command": shlex.join(command),
            "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "services": "external" if given.all else "embedded",
            "defaults": Experiment().flat(),
        },
        indent=2,
    )


def cpu_model() -> str | None:
    """The processor's name, such as ``AMD EPYC 7B13``; None where the system does not tell."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, name = line.partition(":")
            if key.strip() == "model name":
                return name.strip()
    return platform.processor() or None


def git_sha() -> str | None:
    """The commit of the harness's own source, with ``+`` when it was changed; None outside a checkout."""
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"],
            cwd=ROOT, capture_output=True, text=True, check=True, encoding="utf-8",
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return None
    return described.stdout.strip()
