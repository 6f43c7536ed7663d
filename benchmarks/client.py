"""The harness's client beside FastHttpUser, hey and wrk: the same request, one pinned core each, equal connections.

Aim: at least 4 × FastHttpUser and 1 × hey, with Locust's request event fired and history on.
"""

import statistics
import tempfile

import sides
from endpoint import endpoint

ROUNDS = 3


def main() -> None:
    with endpoint() as url, tempfile.TemporaryDirectory() as runs:
        rounds = [one_round(url, runs) for _ in range(ROUNDS)]
    rates = {name: median_of([rates[name] for rates in rounds]) for name in rounds[0]}
    print(
        f"requests per CPU second, POST on {sides.CONNECTIONS} connections, one core for the generator, one for the endpoint"
    )
    for name, rate in rates.items():
        print(f"  {name:14} {'not installed; skipped' if rate is None else f'{rate:10,.0f}'}")
    own = rates.pop("buyer") or 0.0
    for name, aim in (("FastHttpUser", 4.0), ("hey", 1.0), ("wrk", None)):
        rate = rates[name]
        if rate:
            goal = f" (aim ≥ {aim:g}: {'met' if own / rate >= aim else 'MISSED'})" if aim else ""
            print(f"buyer / {name} = {own / rate:.2f}{goal}")
    ceiling = max(rate for rate in rates.values() if rate)
    limit = "not the bottleneck" if ceiling > own * 1.2 else "perhaps the bottleneck: read the ratios as lower bounds"
    print(f"the endpoint answered {ceiling:,.0f} a CPU second of the fastest client: {limit}")


def one_round(url: str, runs: str) -> dict[str, float | None]:
    """Every client once: in turn, since a shared machine is faster one minute than the next."""
    return {
        "buyer": sides.locust("TightBuyer", url, sides.run_dir(runs)),
        "FastHttpUser": sides.locust("TightFastHttp", url),
        "hey": sides.hey(url),
        "wrk": sides.wrk(url),
    }


def median_of(rates: list[float | None]) -> float | None:
    """The median; None where the client is not installed."""
    known = [rate for rate in rates if rate]
    return statistics.median(known) if known else None


if __name__ == "__main__":
    main()
