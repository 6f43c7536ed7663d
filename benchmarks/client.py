"""The harness's client compared with FastHttpUser, hey and wrk: the same request, one pinned core, equally many connections.

A shared machine may be twice as fast three seconds later. So each ratio is of measurements taken right after each other, in alternating
order, and the result is the median of many. Aim: at least 4 × FastHttpUser and 1 × hey, with Locust's request event fired and history on.
"""

import statistics
import tempfile
from collections.abc import Callable

import sides
from endpoint import endpoint

ROUNDS = 15
AIMS = {"FastHttpUser": 4.0, "hey": 1.0, "wrk": None}


def main() -> None:
    with endpoint() as url, tempfile.TemporaryDirectory() as runs:
        rounds = [one_round(url, runs, backwards=bool(turn % 2)) for turn in range(ROUNDS)]
    rates = {name: median_of([rates[name] for rates in rounds]) for name in rounds[0]}
    print(
        f"requests per CPU second, POST on {sides.CONNECTIONS} connections, one core for the generator, one for the endpoint; "
        f"medians of {ROUNDS}"
    )
    for name, rate in rates.items():
        print(f"  {name:14} {'not installed; skipped' if rate is None else f'{rate:10,.0f}'}")
    for name, aim in AIMS.items():
        ratios = [own / other for rates in rounds if (own := rates["buyer"]) and (other := rates[name])]
        if ratios:
            ratio, error = sides.middle(ratios)
            goal = f" (aim ≥ {aim:g}: {'met' if ratio >= aim else 'MISSED'})" if aim else ""
            print(f"buyer / {name} = {ratio:.2f} ± {error:.2f}{goal}")
    own = rates.pop("buyer") or 0.0
    ceiling = max(rate for rate in rates.values() if rate)
    limit = "not the bottleneck" if ceiling > own * 1.2 else "perhaps the bottleneck: read the ratios as lower bounds"
    print(f"the endpoint answered {ceiling:,.0f} a CPU second of the fastest client: {limit}")


def one_round(url: str, runs: str, backwards: bool) -> dict[str, float | None]:
    """Every client once, the buyer beside those that it has an aim for."""
    clients: list[tuple[str, Callable[[], float | None]]] = [
        ("FastHttpUser", lambda: sides.locust("TightFastHttp", url)),
        ("buyer", lambda: sides.locust("TightBuyer", url, sides.run_dir(runs))),
        ("hey", lambda: sides.hey(url)),
        ("wrk", lambda: sides.wrk(url)),
    ]
    return {name: measure() for name, measure in (reversed(clients) if backwards else clients)}


def median_of(rates: list[float | None]) -> float | None:
    """The median; None where the client is not installed."""
    known = [rate for rate in rates if rate]
    return statistics.median(known) if known else None


if __name__ == "__main__":
    main()
