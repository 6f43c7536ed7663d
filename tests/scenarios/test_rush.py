"""What buyers meet, and how it stands in the history. Each test is one real Locust process."""

import csv
import json
import re
import socket
import time
from collections import Counter
from typing import Any

from .conftest import Rush, Shop


def outcomes(ops: list[dict[str, Any]]) -> Counter[str]:
    return Counter(op["o"] for op in ops)


def test_a_rush(rush: Rush, shop: Shop) -> None:
    output = rush.run(40, shop.url, "--csv", str(rush.run_dir / "locust/stats"))
    buys = rush.ops("buy")
    # Each buyer asked once, and the history knows what the shop sold.
    assert sorted(shop.asked) == sorted(op["b"] for op in buys) == [f"b-{n:06d}" for n in range(1, 41)]
    assert outcomes(buys) == {"won": 5, "sold_out": 35}
    assert {op["b"]: op["n"] for op in buys if op["o"] == "won"} == shop.sold
    assert {(op["o"], op["h"]) for op in buys} == {("won", 202), ("sold_out", 410)}
    # All at one T0, none before it.
    [t0] = rush.samples("t0")
    assert {op["s"] for op in buys} == {t0["t"]}
    assert all(t0["t"] <= op["t"] < op["e"] for op in buys)
    assert max(op["t"] for op in buys) - t0["t"] < 5e9
    assert max(page["t"] for page in rush.ops("page")) < t0["t"]
    # Winners watched their order until it was confirmed, on their own grid.
    looks = rush.ops("status")
    assert outcomes(looks) == {"pending": 5, "confirmed": 5}
    assert all(op["s"] <= op["t"] for op in looks)
    # Locust's own statistics agree, and sold out is no failure.
    with (rush.run_dir / "locust/stats_stats.csv").open(encoding="utf-8") as file:
        rows = {row["Name"]: row for row in csv.DictReader(file)}
    counts = {name: (int(row["Request Count"]), int(row["Failure Count"])) for name, row in rows.items()}
    assert counts == {
        "/sales/sale": (40, 0), "/sales/sale/orders": (40, 0),
        "/sales/sale/orders/{number}": (10, 0), "Aggregated": (90, 0),
    }  # fmt: skip
    assert (rush.run_dir / "locust/locust.html").stat().st_size > 10_000
    assert "every buyer has an answer" in output


def test_samples_of_the_generator(rush: Rush, shop: Shop) -> None:
    rush.run(10, shop.url)
    assert rush.samples("sent")[-1]["v"] == rush.samples("answered")[-1]["v"] == 10 + 10 + 10
    waiting = [sample["v"] for sample in rush.samples("waiting")]
    assert max(waiting) == 10
    assert waiting[-1] == 0
    assert {sample["p"] for sample in rush.samples("sent")} == {"generator"}
    for shard in (rush.run_dir / "samples").glob("*.jsonl"):
        for line in shard.read_text(encoding="utf-8").splitlines():
            assert set(json.loads(line)) == {"t", "p", "m", "v"}


# Status and content of an answer, and what it means.
ANSWERS: list[tuple[int, Any, str]] = [
    (503, {}, "unknown"),
    (500, {}, "unknown"),
    (302, {}, "unknown"),
    (404, {}, "refused"),
    (422, {}, "refused"),
    (429, {}, "throttled"),
    (410, {}, "sold_out"),
    (409, {"number": "sale-000009"}, "already_bought"),
    (409, {}, "already_bought"),
    (202, {}, "won"),
    (202, {"number": None}, "won"),
    (202, {"number": ""}, "won"),
    (202, {"number": {"deep": 1}}, "won"),
    (202, "<html>", "won"),
]
UNNUMBERED = "HTTP 202 without 'number' in its answer"


def test_what_an_answer_means(rush: Rush, shop: Shop) -> None:
    told = {f"b-{n:06d}": answer for n, answer in enumerate(ANSWERS * 2, 1)}
    shop.answer = lambda buyer: told[buyer][:2]
    output = rush.run(len(told), shop.url)
    buys = {op["b"]: op for op in rush.ops("buy")}
    assert buys.keys() == told.keys()
    for buyer, (status, content, outcome) in told.items():
        number = content.get("number") if outcome == "already_bought" else None
        if outcome == "won":
            assert buys[buyer]["x"] == UNNUMBERED
        assert (buys[buyer]["o"], buys[buyer]["h"], buys[buyer].get("n")) == (outcome, status, number)
    # Locust calls a failure what the shop cannot have meant, and nothing else.
    failed = Counter(status for status, _, outcome in told.values() if outcome in ("unknown", "refused", "won"))
    reported = re.findall(r"^(\d+) .*HTTP (\d+)", output.partition("Error report")[2], re.MULTILINE)
    assert sum((Counter({int(status): int(times)}) for times, status in reported), Counter()) == failed
    assert UNNUMBERED in output
    assert rush.ops("status") == []  # there is nothing to ask after


def test_an_order_without_an_answer_in_time_is_unknown(rush: Rush, shop: Shop) -> None:
    shop.answer = lambda _: time.sleep(3)
    rush.run(3, shop.url)
    buys = rush.ops("buy")
    assert outcomes(buys) == {"unknown": 3}
    assert {(op.get("h"), op["x"]) for op in buys} == {(None, "no answer in 1 s")}
    assert sorted(shop.asked) == ["b-000001", "b-000002", "b-000003"]
    # How long they waited is recorded, too: a percentile that leaves them out would flatter the shop.
    assert all(0.9e9 < op["e"] - op["t"] < 3e9 for op in buys)


def test_an_order_that_nobody_listened_to_is_refused(rush: Rush) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    rush.run(3, f"http://127.0.0.1:{port}")
    buys = rush.ops("buy")
    assert outcomes(buys) == {"refused": 3}
    assert {op["x"] for op in buys} == {"connect: connection refused"}


def test_an_order_that_is_rejected_later(rush: Rush, shop: Shop) -> None:
    shop.status = lambda _: (200, {"status": "rejected"})  # type: ignore[method-assign]
    rush.run(5, shop.url)
    assert outcomes(rush.ops("status")) == {"rejected": 5}


def test_a_look_at_an_order_has_the_number_that_was_asked_for(rush: Rush, shop: Shop) -> None:
    told = iter([lambda: (200, {"status": "queued"}), lambda: (500, {}), lambda: time.sleep(2) or (200, {}),
                 lambda: (200, {"status": "confirmed"})])  # fmt: skip
    shop.status = lambda _: next(told)()  # type: ignore[method-assign]
    rush.run(1, shop.url)
    looks = rush.ops("status")
    assert [op["o"] for op in looks] == ["pending", "unknown", "unknown", "confirmed"]
    assert {op["n"] for op in looks} == {"sale-000001"}


def test_an_order_that_never_comes_ends_at_the_deadline(rush: Rush, shop: Shop) -> None:
    shop.queued_looks = 10_000
    experiment = (
        (rush.run_dir / "experiment.toml").read_text(encoding="utf-8").replace("deadline_s = 8", "deadline_s = 1")
    )
    (rush.run_dir / "experiment.toml").write_text(experiment, encoding="utf-8")
    rush.run(2, shop.url)
    looks = rush.ops("status")
    assert outcomes(looks).keys() == {"pending"}
    [t0] = rush.samples("t0")
    assert max(op["t"] for op in looks) < t0["t"] + 3e9


def test_a_number_from_outside_is_quoted_in_the_url(rush: Rush, shop: Shop) -> None:
    paths: list[str] = []

    def status(number: str) -> tuple[int, dict[str, Any]]:
        paths.append(number)
        return 200, {"status": "confirmed"}

    shop.status = status  # type: ignore[method-assign]
    shop.answer = lambda _: (202, {"number": 'a b\r\nX: é\u0000"'})
    rush.run(1, shop.url)
    assert paths == ["a%20b%0D%0AX%3A%20%C3%A9%00%22"]
    assert [op["n"] for op in rush.ops("buy")] == ['a b\r\nX: é\u0000"']


def test_buyers_that_do_as_browsers_do(rush: Rush, shop: Shop) -> None:
    manifest = rush.run_dir / "shop.toml"
    options = "[http]\ncookies = true\nfollow_redirects = true\ncompressed = true\n"
    manifest.write_text(manifest.read_text(encoding="utf-8").replace("[http]\n", options), encoding="utf-8")
    rush.run(10, shop.url)
    assert outcomes(rush.ops("buy")) == {"won": 5, "sold_out": 5}
    seats = list(shop.cookies.values())
    assert all(seat and seat.startswith("seat=") for seat in seats)
    assert len(set(seats)) == 10  # each buyer's own


def test_buyers_keep_no_cookies_unless_asked_to(rush: Rush, shop: Shop) -> None:
    rush.run(2, shop.url)
    assert shop.cookies == {"b-000001": None, "b-000002": None}
