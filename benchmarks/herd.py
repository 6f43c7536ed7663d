"""How closely together a herd sends: the time from the first send to the last of buyers who waited for T0, against the bare endpoint.

Read from the generator's history, for the scenario `rush`.
Aim: at most 100 ms for 2,000 buyers in one generator process on one core.
"""

import json
import subprocess
import sys
import tempfile

import sides
from endpoint import endpoint

BUYERS = 2_000
REPEATS = 3
AIM_MS = 100.0


def main() -> None:
    print(f"{BUYERS:,} waiting buyers, one generator process on one core, bare endpoint on another")
    with endpoint() as url:
        spreads = [spread_ms(url) for _ in range(REPEATS)]
    for spread, lag in spreads:
        print(f"  first to last send {spread:6.1f} ms, last send {lag:6.1f} ms after T0")
    median = sorted(spread for spread, _ in spreads)[REPEATS // 2]
    print(f"median {median:.1f} ms (aim ≤ {AIM_MS:g} ms: {'met' if median <= AIM_MS else 'MISSED'})")


def spread_ms(url: str) -> tuple[float, float]:
    """First to last send, and T0 to last send, of one herd."""
    with tempfile.TemporaryDirectory() as parent:
        run_dir = sides.run_dir(parent)
        settings = f"buyers = {BUYERS}\n[drain]\ndeadline_s = 5\n"
        (run_dir / "experiment.toml").write_text(settings, encoding="utf-8")
        command = ["taskset", "-c", sides.GENERATOR_CORE, sys.executable, "-m", "locust"]
        command += ["-f", "scenarios/rush.py", "--headless", "-u", str(BUYERS), "-r", str(BUYERS)]
        command += ["--host", url, "--run-dir", str(run_dir), "--only-summary"]
        subprocess.run(command, cwd=sides.ROOT, check=True, capture_output=True, timeout=120)
        sends = sorted(order["t"] for order in sides.buys(run_dir / "history/g0.jsonl"))
        t0_ns = json.loads((run_dir / "samples/gate.jsonl").read_text(encoding="utf-8"))["t"]
    if len(sends) != BUYERS:
        raise SystemExit(f"{len(sends)} buyers sent, expected {BUYERS}")
    return (sends[-1] - sends[0]) / 1e6, (sends[-1] - t0_ns) / 1e6


if __name__ == "__main__":
    main()
