"""The sides of a comparison: runs one client at full speed on one pinned core, and measures its requests per CPU second."""

import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

GENERATOR_CORE = "1"
CONNECTIONS = 64
SECONDS = 3
ROOT = Path(__file__).parent.parent
PATH = "/sales/sale/orders"
BODY = '{"buyer": "b-000001"}'


def middle(ratios: Sequence[float]) -> tuple[float, float]:
    """The median, and its standard error."""
    return statistics.median(ratios), 1.25 * statistics.stdev(ratios) / len(ratios) ** 0.5


def locust(user: str, url: str, run_dir: Path | None = None) -> float:
    """Requests a CPU second of `user` of tight.py, with history where a `run_dir` is given."""
    return float(_tight(user, url, run_dir, {}, r"^RATE (\d+)$")[1])


def on_and_off(url: str, run_dir: Path, what: str = "history") -> tuple[float, float, float]:
    """Requests a CPU second of one generator process with something on, and off, in turn (see tight.py); and what on is of off."""
    found = _tight("TightBuyer", url, run_dir, {"ALTERNATE": what}, r"^ON (\d+) OFF (\d+) RATIO ([\d.]+)$")
    return float(found[1]), float(found[2]), float(found[3])


def _tight(user: str, url: str, run_dir: Path | None, settings: dict[str, str], result: str) -> re.Match[str]:
    command = [sys.executable, "-m", "locust", "-f", str(ROOT / "benchmarks/tight.py"), user, "--headless"]
    command += ["-u", str(CONNECTIONS), "-r", str(CONNECTIONS), "--host", url, "--only-summary"]
    command += ["--shop", str(ROOT / "target/shop.toml")]
    if run_dir:
        command += ["--run-dir", str(run_dir)]
    output = _run(command, {"MEASURE_S": str(SECONDS), **settings})
    found = re.search(result, output, re.MULTILINE)
    if not found or not re.search(r"^FAILURES 0$", output, re.MULTILINE):
        raise SystemExit(f"{user}: no clean measurement in its output:\n{output}")
    return found


def run_dir(parent: str) -> Path:
    """A run directory for the built-in shop with default settings."""
    path = Path(tempfile.mkdtemp(dir=parent))
    (path / "experiment.toml").write_text(f"buyers = {CONNECTIONS}\n", encoding="utf-8")
    shutil.copy(ROOT / "target/shop.toml", path / "shop.toml")
    return path


def buys(shard: Path) -> list[dict[str, int]]:
    """The orders in a shard that ended."""
    lines = [json.loads(line) for line in shard.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line["k"] == "buy" and "a" in line]


def wrk(url: str) -> float | None:
    """Requests a CPU second of wrk, None where it is not installed."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua", encoding="utf-8") as script:
        headers = 'wrk.headers["Content-Type"] = "application/json"'
        script.write(f"wrk.method = \"POST\"\nwrk.body = '{BODY}'\n{headers}\n")
        script.flush()
        return _tool(["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "-s", script.name, url + PATH])


def hey(url: str) -> float | None:
    """Requests a CPU second of hey, None where it is not installed."""
    command = ["hey", "-z", f"{SECONDS}s", "-c", str(CONNECTIONS), "-m", "POST", "-d", BODY]
    return _tool([*command, "-T", "application/json", url + PATH])


def _tool(command: list[str]) -> float | None:
    if shutil.which(command[0]) is None:
        return None
    before_s = _children_cpu_s()
    found = re.search(r"Requests/sec:\s+([\d.]+)", _run(command, {}))
    return float(found[1]) * SECONDS / (_children_cpu_s() - before_s) if found else None


def _children_cpu_s() -> float:
    """CPU seconds of the processes that this one has started and seen end."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _run(command: list[str], environment: dict[str, str]) -> str:
    pinned = ["taskset", "-c", GENERATOR_CORE, *command]
    done = subprocess.run(
        pinned,
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        encoding="utf-8",
    )
    return done.stdout + done.stderr
