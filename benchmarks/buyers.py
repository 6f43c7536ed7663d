"""What a waiting buyer costs: memory of one generator process with 10,000 buyers, each with an open connection, waiting for T0.

Aim: under 1 GiB for the process. docs/scaling.md calculates with these figures.
"""

import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import sides
from endpoint import endpoint

BUYERS = 10_000
AIM_MIB = 1024.0
MIB, GIB = 1 << 20, 1 << 30
HERD = 1_000_000
# Linux's own choice of ports for outgoing connections, net.ipv4.ip_local_port_range.
PORTS = 60_999 - 32_768 + 1


@dataclass(frozen=True)
class Seen:
    """One generator: resident memory and open files while its buyers wait; what it did from T0 on, how long that kept a core busy,
    and what was recorded of it."""

    rss: int
    files: int
    kernel: int
    requests: float
    cpu_s: float
    spread_ms: float
    history: int
    ops: int


def main() -> None:
    allow_files()
    with endpoint() as url:
        one, many = herd(url, 1), herd(url, BUYERS)
    each = (many.rss - one.rss) / (BUYERS - 1)
    kernel = (many.kernel - one.kernel) / (BUYERS - 1)
    cpu_ms, history = 1000 * many.cpu_s / many.requests, many.history / many.ops
    met = "met" if many.rss / MIB < AIM_MIB else "MISSED"
    print(f"{BUYERS:,} waiting buyers in one generator process, a connection each")
    print(f"  the process {many.rss / MIB:,.0f} MiB (one buyer: {one.rss / MIB:,.0f} MiB; aim < {AIM_MIB:,.0f}: {met})")
    print(
        f"  a buyer {each / 1024:.1f} KiB in the process, {kernel / 1024:.1f} KiB in the kernel for both ends of the connection"
    )
    print(f"  {many.files:,} open files")
    print(f"  a request {cpu_ms:.3f} CPU ms ({many.requests:,.0f} from T0 on), {history:,.0f} bytes of history")
    print(f"  the herd, first to last send {many.spread_ms:,.0f} ms")
    processes = HERD // BUYERS
    print(f"{HERD:,} buyers, reckoned from that, in {processes} such processes")
    print(f"  {processes * many.rss / GIB:,.0f} GiB in all processes, {HERD * kernel / GIB:,.1f} GiB in kernels")
    print(
        f"  {HERD * cpu_ms / 1000:,.0f} CPU s for one request of each, {HERD * history / MIB:,.0f} MiB of history for it"
    )
    print(f"  {math.ceil(HERD / PORTS)} source addresses at {PORTS:,} ports each, toward one address of the shop")


def allow_files() -> None:
    """As many open files as this user may have, for both ends."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < BUYERS + 500:
        raise SystemExit(f"ulimit -n: expected {BUYERS + 500:,} at least, found {hard:,}; raise the hard limit")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def herd(url: str, buyers: int) -> Seen:
    """One rush of `buyers`, looked at while they wait."""
    with tempfile.TemporaryDirectory() as parent:
        run_dir = sides.run_dir(parent)
        (run_dir / "experiment.toml").write_text(f"buyers = {buyers}\n[drain]\ndeadline_s = 3\n", encoding="utf-8")
        command = ["taskset", "-c", sides.GENERATOR_CORE, sys.executable, "-m", "locust"]
        command += ["-f", "scenarios/rush.py", "--headless", "-u", str(buyers), "-r", str(buyers)]
        command += ["--host", url, "--run-dir", str(run_dir), "--only-summary"]
        idle = kernel_bytes()
        with subprocess.Popen(command, cwd=sides.ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            gate = run_dir / "samples/gate.jsonl"
            while not (gate.exists() and gate.read_text(encoding="utf-8")):  # T0 is set: everybody waits for it
                if process.poll() is not None:
                    raise SystemExit(f"the generator ended with {process.returncode} before T0")
                time.sleep(0.01)
            looked_at = psutil.Process(process.pid)
            rss, files, kernel = looked_at.memory_info().rss, looked_at.num_fds(), kernel_bytes() - idle
            late = time.time_ns() > (t0_ns := json.loads(gate.read_text(encoding="utf-8"))["t"])
        if late:
            raise SystemExit("T0 was over before the generator was looked at: too busy a machine; try again")
        sent, cpu_s = (since(run_dir, metric, t0_ns) for metric in ("sent", "g0.cpu_s"))
        shard = run_dir / "history/g0.jsonl"
        ops = shard.read_bytes().count(b'"a":')
        return Seen(rss, files, kernel, sent, cpu_s, spread_ms(shard, buyers), shard.stat().st_size, ops)


def kernel_bytes() -> int:
    """What the kernel holds and cannot give back: sockets among the rest."""
    lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in lines if line.startswith("SUnreclaim:")).split()[1]) * 1024


def since(run_dir: Path, metric: str, t0_ns: int) -> float:
    """By how much a counter of the generator grew after T0."""
    lines = [
        json.loads(line) for line in (run_dir / "samples/generator-g0.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    values = [(line["t"], line["v"]) for line in lines if line["m"] == metric]
    return float(values[-1][1] - max(value for t, value in values if t <= t0_ns))


def spread_ms(shard: Path, buyers: int) -> float:
    """First to last send."""
    sends = [order["t"] for order in sides.buys(shard)]
    if len(sends) != buyers:
        raise SystemExit(f"{len(sends)} buyers sent, expected {buyers}")
    return (max(sends) - min(sends)) / 1e6


if __name__ == "__main__":
    main()
