"""The claim path compared with a bare Starlette endpoint: what selling by tokens costs, in requests a second.

Both are served by uvicorn on core 0 and loaded by wrk on core 1, over equally many connections, each request from a new buyer. The
claim side is the whole shop with a dispatch that does nothing: validation, the claim in Redis, the answer. Redis has no core of its
own and competes with wrk for core 1. Aim: at least 0.35 of the bare endpoint's rate.

Both send each answer with one write, as the shop does (``target/api/wire.py``). What that saves is measured on the bare endpoint, against
uvicorn's own protocol.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from loadtest.stack.embedded import embedded_redis, free_port
from loadtest.stack.process import Supervisor
from target.api.app import create_app
from target.config import Config
from target.schemes.tokens import Tokens
from target.stores import claims
from target.stores.claims import Claim, Keys

AIM = 0.35
SECONDS = 5
CONNECTIONS = 64
DIRECT = build_opener(ProxyHandler({}))
STOCK = 500_000
ONE_WRITE, TWO_WRITES = "target.api.wire:Protocol", "httptools"
# A new buyer each time: a claim that is refused as a repetition would be cheaper than a sale.
BUYERS = """
local n = 0
request = function()
  n = n + 1
  return wrk.format("POST", "/sales/sale/orders", {["Content-Type"] = "application/json"}, '{"buyer":"b-' .. n .. '"}')
end
"""


class Nowhere:
    """A dispatch that loses every order at no cost."""

    async def send(self, claim: Claim) -> None:
        """Done."""

    async def close(self) -> None:
        """Nothing to give back."""


def config() -> Config:
    """The shop's, with only Redis behind it."""
    return Config("postgresql://unused", os.environ["BENCHMARK_REDIS"], "redis://unused", "sale", STOCK)


def claim() -> Starlette:
    """The shop, less the dispatch."""
    return create_app(config(), Tokens(config(), Nowhere()))


def bare() -> Starlette:
    """One endpoint that answers as a win would, and reads nothing."""

    async def order(_request: Request) -> JSONResponse:
        return JSONResponse(
            {"outcome": "won", "number": "sale-000001", "status_url": "/sales/sale/orders/sale-000001"}, 202
        )

    return Starlette(routes=[Route("/sales/{sale}/orders", order, methods=["POST"])])


def main() -> None:
    if not (shutil.which("wrk") and shutil.which("taskset")):
        print("claim_path: skipped: needs wrk and taskset on the PATH")
        return
    with (
        tempfile.TemporaryDirectory() as directory,
        Supervisor(Path(directory)) as supervisor,
        embedded_redis(supervisor) as redis,
    ):
        os.environ["BENCHMARK_REDIS"] = f"{redis}/0"
        rates = {side: measure(side, Path(directory)) for side in ("bare", "claim")}
        two_writes = measure("bare", Path(directory), TWO_WRITES)
        sold = STOCK - claims.connect(config()).llen(Keys.of("sale").tokens)
    print(
        f"requests/s, {CONNECTIONS} connections, server on core 0, wrk on core 1, {SECONDS} s each, dispatch left out"
    )
    for side, rate in rates.items():
        print(f"  {side:6} {rate:10,.0f}")
    print(f"  bare, head and body written apart {two_writes:10,.0f}")
    ratio = rates["claim"] / rates["bare"]
    print(f"claim / bare = {ratio:.2f} (aim ≥ {AIM}: {'met' if ratio >= AIM else 'MISSED'}); {sold:,} units claimed")
    print(f"one write an answer / two = {rates['bare'] / two_writes:.2f}")


def measure(side: str, directory: Path, protocol: str = ONE_WRITE) -> float:
    """Requests a second that wrk got answered with 2xx by one side."""
    if side == "claim":
        claims.seed(claims.connect(config()), Keys.of("sale"), [config().number(unit) for unit in range(1, STOCK + 1)])
    script = directory / "buyers.lua"
    script.write_text(BUYERS, encoding="utf-8")
    with served(side, protocol) as url:
        command = ["taskset", "-c", "1", "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "-s", str(script), url]
        said = subprocess.run(command, capture_output=True, text=True, check=True, encoding="utf-8").stdout
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    if rate is None or "Non-2xx" in said or "Socket errors" in said:
        raise SystemExit(f"claim_path: {side}: expected every answer to be 2xx, wrk said:\n{said}")
    return float(rate.group(1))


@contextmanager
def served(side: str, protocol: str) -> Iterator[str]:
    """The base URL of one side, served from core 0 while the block runs."""
    port = free_port()
    command = [
        "taskset", "-c", "0", sys.executable, "-m", "uvicorn", "--app-dir", str(Path(__file__).parent), "--factory",
        f"claim_path:{side}", "--port", str(port), "--http", protocol, "--no-access-log", "--log-level", "warning",
    ]  # fmt: skip
    process = subprocess.Popen(command)
    try:
        url = f"http://127.0.0.1:{port}"
        await_answer(url, process)
        yield url
    finally:
        process.terminate()
        process.wait(10)


def await_answer(url: str, process: subprocess.Popen[bytes]) -> None:
    """Returns when the server answers anything at all."""
    deadline = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < deadline:
        try:
            DIRECT.open(f"{url}/health", timeout=1).close()
        except URLError as error:
            if hasattr(error, "code"):  # 404: it listens
                return
            time.sleep(0.05)
        else:
            return
    raise SystemExit(f"claim_path: the server on {url} did not come up")


if __name__ == "__main__":
    main()
