"""How punctual open arrivals are: the schedule lag of Poisson arrivals, from one generator core against the bare endpoint.

Read from the generator's history. Aim: at 2,000 a second for 20 s, at least 99 % of the planned orders are sent within 20 ms of
their scheduled time; one that is dropped counts as not sent.
"""

import subprocess
import sys
import tempfile

import sides
from endpoint import endpoint

RATE_PER_S, FOR_S, REPEATS = 2_000, 20, 3
FAST_PER_S, FAST_FOR_S = 8_000, 5
AIM, ON_TIME_MS = 0.99, 20
CONNECTIONS = 500


def main() -> None:
    print(
        f"Poisson arrivals over {CONNECTIONS} connections, one generator process on one core, bare endpoint on another"
    )
    with endpoint() as url:
        shares = sorted(on_time(url, RATE_PER_S, FOR_S) for _ in range(REPEATS))
        on_time(url, FAST_PER_S, FAST_FOR_S)
    median = shares[REPEATS // 2]
    print(f"median at {RATE_PER_S:,}/s {median:.2%} (aim ≥ {AIM:.0%}: {'met' if median >= AIM else 'MISSED'})")


def on_time(url: str, rate_per_s: int, seconds: int) -> float:
    """The share of the plan that was sent on time, told with the rest."""
    planned, lags_ms = fired(url, rate_per_s, seconds)
    share = sum(lag <= ON_TIME_MS for lag in lags_ms) / planned
    p50, p99 = (lags_ms[int(len(lags_ms) * part)] for part in (0.5, 0.99))
    print(
        f"  {rate_per_s:,}/s for {seconds:2} s: {share:.2%} within {ON_TIME_MS} ms, {planned - len(lags_ms):,} dropped; "
        f"lag p50 {p50:.2f} ms, p99 {p99:.2f} ms, worst {lags_ms[-1]:.1f} ms"
    )
    return share


def fired(url: str, rate_per_s: int, seconds: int) -> tuple[int, list[float]]:
    """How many orders were planned, and how late each was sent, in ms, ascending."""
    with tempfile.TemporaryDirectory() as parent:
        run_dir = sides.run_dir(parent)
        arrivals = f'[arrivals]\nkind = "poisson"\nrate_per_s = {rate_per_s}\nfor_s = {seconds}\n'
        (run_dir / "experiment.toml").write_text(f"{arrivals}[drain]\ndeadline_s = {seconds + 5}\n", encoding="utf-8")
        manifest = (run_dir / "shop.toml").read_text(encoding="utf-8").replace('202 = "won"', '202 = "sold_out"')
        (run_dir / "shop.toml").write_text(
            manifest, encoding="utf-8"
        )  # nobody follows an order: only the sends are measured
        command = ["taskset", "-c", sides.GENERATOR_CORE, sys.executable, "-m", "locust"]
        command += ["-f", "scenarios/soak.py", "--headless", "-u", str(CONNECTIONS), "-r", str(CONNECTIONS)]
        command += ["--host", url, "--run-dir", str(run_dir), "--only-summary"]
        subprocess.run(command, cwd=sides.ROOT, check=True, capture_output=True, timeout=120)
        orders = sides.buys(run_dir / "history/g0.jsonl")
    return rate_per_s * seconds, sorted((order["t"] - order["s"]) / 1e6 for order in orders)


if __name__ == "__main__":
    main()
