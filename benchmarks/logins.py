"""What log-ins before a sale do to its T0: 10,000 buyers who each logged in, at 500 a second, beside 10,000 who did not have to.

Compared is the time from the first send to the last of the herd, in turns. Aim: at most 1.2 × as long.
"""

import statistics
import subprocess
import sys
import tempfile

import sides
from buyers import allow_files, spread_ms
from endpoint import endpoint

BUYERS = 10_000
PACE_PER_S = 500
PAIRS = 3
AIM = 1.2
STEP = f"""
pace_per_s = {PACE_PER_S}
[[http.before]]
request = "POST /login"
form = {{ user = "{{buyer}}", password = "secret" }}
expect = {{ json = {{ outcome = "won" }} }}
capture = {{ token = "json:number" }}
"""


def main() -> None:
    allow_files()
    print(
        f"{BUYERS:,} waiting buyers, first to last send, with {PACE_PER_S} log-ins a second before, and without; in turns"
    )
    with endpoint() as url:
        pairs = [(herd(url, logs_in=True), herd(url, logs_in=False)) for _ in range(PAIRS)]
    for with_ms, without_ms in pairs:
        print(f"  {with_ms:6.0f} ms / {without_ms:6.0f} ms = {with_ms / without_ms:.2f}")
    ratio = statistics.median(with_ms / without_ms for with_ms, without_ms in pairs)
    print(f"median {ratio:.2f} × (aim ≤ {AIM:g}: {'met' if ratio <= AIM else 'MISSED'})")


def herd(url: str, logs_in: bool) -> float:
    """First to last send of one herd, in milliseconds."""
    with tempfile.TemporaryDirectory() as parent:
        run_dir = sides.run_dir(parent)
        (run_dir / "experiment.toml").write_text(f"buyers = {BUYERS}\n[drain]\ndeadline_s = 3\n", encoding="utf-8")
        if logs_in:
            manifest = (run_dir / "shop.toml").read_text(encoding="utf-8")
            manifest = manifest.replace(
                "\n[http.buy]", STEP + '[http.buy]\nheaders = { Authorization = "Bearer {token}" }'
            )
            (run_dir / "shop.toml").write_text(manifest, encoding="utf-8")
        command = ["taskset", "-c", sides.GENERATOR_CORE, sys.executable, "-m", "locust", "-f", "scenarios/rush.py"]
        command += [
            "--headless",
            "-u",
            str(BUYERS),
            "-r",
            str(BUYERS),
            "--host",
            url,
            "--run-dir",
            str(run_dir),
            "--only-summary",
        ]
        subprocess.run(command, cwd=sides.ROOT, check=True, capture_output=True, timeout=180)
        shard = run_dir / "history/g0.jsonl"
        if logs_in and (ended := shard.read_bytes().count(b'"k":"before","s"')) != BUYERS:
            raise SystemExit(f"{ended:,} buyers logged in, expected {BUYERS:,}")
        return spread_ms(shard, BUYERS)


if __name__ == "__main__":
    main()
