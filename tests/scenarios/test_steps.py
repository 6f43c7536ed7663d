"""Steps before the purchase, users of a file, rules and polls without a number. Each test is one real Locust run."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.members import MANIFEST, Members, write_users

from .conftest import Rush, free_port


@pytest.fixture
def members() -> Iterator[Members]:
    with Members(stock=5) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def visit(rush: Rush, tmp_path: Path) -> Rush:
    (tmp_path / "shop.toml").write_text(MANIFEST, encoding="utf-8")
    rush.patient()
    return rush


def users(rush: Rush, count: int) -> tuple[str, str]:
    """So many users, in a file that is not in the run directory; the option that names it."""
    folder = rush.run_dir.parent / f"{rush.run_dir.name}-users"
    folder.mkdir(exist_ok=True)
    write_users(folder / "users.csv", count)
    return "--buyers-file", str(folder / "users.csv")


def settings(rush: Rush, text: str) -> None:
    path = rush.run_dir / "experiment.toml"
    path.write_text(text + "\n" + path.read_text(encoding="utf-8"), encoding="utf-8")


def answers(rush: Rush) -> list[dict[str, Any]]:
    shards = sorted((rush.run_dir / "answers").glob("*.jsonl"))
    return [json.loads(line) for shard in shards for line in shard.read_text(encoding="utf-8").splitlines()]


def test_log_in_click_step_accepted_and_asked_after(visit: Rush, members: Members) -> None:
    settings(visit, "buyers = 20")
    visit.run(20, members.url, *users(visit, 20))
    [t0] = visit.samples("t0")
    # Everybody logged in before T0, at the pace, each with a row of their own.
    logins = members.paths("/login")
    assert sorted(user for _, _, user, _ in logins) == sorted(f"u {n}" for n in range(1, 21))
    steps = visit.ops("before")
    before = [op for op in steps if op["s"] < t0["t"]]
    assert len(before) == 2 * 20
    assert {op["o"] for op in steps} == {"ok"}
    firsts = sorted({op["b"]: op["s"] for op in sorted(before, key=lambda op: op["s"], reverse=True)}.values())
    assert firsts[-1] - firsts[0] >= 0.999 * 19 / 50 * 1e9, "20 buyers, at most 50 a second"
    assert max(op["e"] for op in before) < t0["t"]
    # The hidden path is part of the click, and its time counts.
    clicks = [op for op in steps if op["s"] >= t0["t"]]
    assert {(op["b"], op["s"]) for op in clicks} == {(f"u {n}", t0["t"]) for n in range(1, 21)}
    buys = visit.ops("buy")
    assert {op["s"] for op in buys} == {t0["t"]}
    found = {op["b"]: op["e"] for op in clicks}
    assert all(op["t"] >= found[op["b"]] for op in buys)
    assert Counter(op["o"] for op in buys) == {"accepted": 5, "sold_out": 15}
    assert all("n" not in op for op in buys)
    assert sorted(body["uid"] for body in members.bodies) == [1000 + n for n in range(1, 21)], "whole numbers"
    # The number is first told by the status.
    looks = visit.ops("status")
    assert Counter(op["o"] for op in looks) == {"pending": 5, "confirmed": 4, "rejected": 1}
    assert sorted(op["n"] for op in looks if op["o"] == "confirmed") == ["70001", "70002", "70003", "70004"]
    assert all("n" not in op for op in looks if op["o"] != "confirmed")


def test_what_the_answers_were_is_kept_without_secrets(visit: Rush, members: Members) -> None:
    settings(visit, "buyers = 20")
    visit.run(20, members.url, *users(visit, 20))
    kept = answers(visit)
    counts: Counter[tuple[Any, ...]] = Counter()
    for each in kept:
        counts[each["kind"], each["request"], each["status"], each["outcome"], each["rule"]] += each["n"]
    assert counts == {
        ("before", "POST /login", 200, "ok", None): 20,
        ("before", "GET /me", 200, "ok", None): 20,
        ("before", "GET /path?uid={buyer.uid}", 200, "ok", None): 20,
        ("buy", "POST {path}", 200, "accepted", 0): 5,
        ("buy", "POST {path}", 200, "sold_out", 1): 15,
        ("status", "GET /result?task={task}&by={buyer}", 200, "pending", 0): 5,
        ("status", "GET /result?task={task}&by={buyer}", 200, "rejected", 1): 1,
        ("status", "GET /result?task={task}&by={buyer}", 200, "confirmed", 2): 4,
    }
    assert max(Counter((each["kind"], each["request"], each["outcome"]) for each in kept).values()) <= 3
    [sold_out] = [each for each in kept if each["outcome"] == "sold_out"]
    assert (sold_out["body"], sold_out["n"]) == ('{"code": 500, "msg": "sold out"}', 15)
    [*_] = [each for each in kept if each["request"] == "POST /login"]
    everything = "".join(
        path.read_text(encoding="utf-8", errors="replace") for path in visit.run_dir.rglob("*") if path.is_file()
    )
    assert '{"token": "…"}' in everything.replace("\\", "")
    assert "tok-" not in everything
    assert "pw +" not in everything


def test_whose_log_in_failed_does_not_buy_and_nobody_waits_for_them(visit: Rush, members: Members) -> None:
    settings(visit, "buyers = 10")
    members.locked_out = {"u 3", "u 7"}
    visit.run(10, members.url, *users(visit, 10))
    failed = [op for op in visit.ops("before") if op["o"] != "ok"]
    assert {op["b"] for op in failed} == {"u 3", "u 7"}
    assert {op["o"] for op in failed} == {"unknown"}
    expected = 'HTTP 200, expected json code = 0: {"code": 7, "msg": "no such user", "password": "…"}'
    assert {op["x"] for op in failed} == {expected}
    assert len(visit.ops("before")) == 2 + 8 * 3
    assert sorted(op["b"] for op in visit.ops("buy")) == [f"u {n}" for n in (1, 10, 2, 4, 5, 6, 8, 9)]
    assert max(sample["v"] for sample in visit.samples("waiting")) == 10


def test_open_arrivals_log_in_ahead_of_their_own_time(visit: Rush, members: Members) -> None:
    manifest = visit.run_dir / "shop.toml"
    manifest.write_text(
        manifest.read_text(encoding="utf-8").replace("pace_per_s = 50", "pace_per_s = 200"), encoding="utf-8"
    )
    text = (visit.run_dir / "experiment.toml").read_text(encoding="utf-8")
    text = text.replace("[arrivals]", '[arrivals]\nkind = "uniform"\nrate_per_s = 20\nfor_s = 1.5')
    (visit.run_dir / "experiment.toml").write_text(text, encoding="utf-8")
    visit.run(20, members.url, *users(visit, 30))
    [t0] = visit.samples("t0")
    buys = {op["b"]: op for op in visit.ops("buy")}
    assert len(buys) == 30
    me = {op["b"]: op for op in visit.ops("before") if op["s"] < buys[op["b"]]["s"]}
    assert me.keys() == buys.keys()
    for n in range(1, 31):
        buyer = f"u {n}"
        assert abs(buys[buyer]["s"] - t0["t"] - (n - 1) / 20 * 1e9) < 1e7
        assert me[buyer]["e"] < buys[buyer]["s"]


def test_two_processes_share_the_users_and_the_pace(visit: Rush, members: Members) -> None:
    settings(visit, "buyers = 20")
    port = str(free_port())
    visit.run(
        20, members.url, *users(visit, 20), "--processes", "2", "--master-bind-host", "127.0.0.1",
        "--master-bind-port", port, "--master-host", "127.0.0.1", "--master-port", port,
    )  # fmt: skip
    assert sorted(user for _, _, user, _ in members.paths("/login")) == sorted(f"u {n}" for n in range(1, 21))
    assert Counter(op["o"] for op in visit.ops("buy")) == {"accepted": 5, "sold_out": 15}
    times = sorted(at for at, *_ in members.paths("/login"))
    assert times[-1] - times[0] >= 0.5 * 18 / 50
    assert {path.name for path in (visit.run_dir / "answers").iterdir()} == {"g0.jsonl", "g1.jsonl"}
    assert sum(each["n"] for each in answers(visit) if each["kind"] == "buy") == 20


def test_each_buyer_has_an_address_of_their_own(visit: Rush, members: Members) -> None:
    manifest = visit.run_dir / "shop.toml"
    text = manifest.read_text(encoding="utf-8")
    manifest.write_text(
        text.replace("cookies = true", 'cookies = true\nsource_addresses = "127.1.0.0/24"'), encoding="utf-8"
    )
    settings(visit, "buyers = 10")
    visit.run(10, members.url, *users(visit, 10))
    seen = {(user, address) for _, _, user, address in members.asked}
    assert seen == {(f"u {n}", f"127.1.0.{n}") for n in range(1, 11)}


def test_too_few_users_are_told_before_anybody_comes(visit: Rush, members: Members) -> None:
    settings(visit, "buyers = 10")
    process = visit.headless(10, members.url, *users(visit, 9))
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "users.csv: expected 10 users, one for each of 10 buyers, found 9; add rows, or set fewer buyers" in output
    assert members.asked == []


def test_without_the_file_the_run_says_what_it_needs(visit: Rush, members: Members) -> None:
    process = visit.headless(10, members.url)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "--buyers-file: expected where buyers.file = 'users.csv' of the manifest is; give its path" in output
    assert "Traceback" not in output


SCENARIO = """
from locust import events, task
from loadtest.load.buyers.buyer import Buyer
from loadtest.load.plugin import install

install(events)


class Own(Buyer):
    @task
    def buys(self):
        self.warm()
        print("CAPTURED", self.name, sorted(self.captured), self.captured["token"].startswith("tok-"))
        for answer in self.buy_at_t0():
            self.follow(answer)
"""


def test_a_file_of_ones_own_sees_what_was_captured(visit: Rush, members: Members) -> None:
    settings(visit, "buyers = 2")
    own = visit.run_dir / "own.py"
    own.write_text(SCENARIO, encoding="utf-8")
    visit.scenario = str(own)
    output = visit.run(2, members.url, *users(visit, 2))
    assert "CAPTURED u 1 ['token'] True" in output
    assert Counter(op["o"] for op in visit.ops("status")) == {"pending": 2, "confirmed": 2}


FAST = """
from locust import events, task
from loadtest.load.buyers.fast_buyer import FastBuyer
from loadtest.load.plugin import install

install(events)


class Own(FastBuyer):
    @task
    def buys(self):
        self.warm()
        for answer in self.buy_at_t0():
            self.follow(answer)
"""


def test_buyers_on_locusts_fast_client_do_all_of_it_too(visit: Rush, members: Members) -> None:
    settings(visit, "buyers = 8")
    manifest = visit.run_dir / "shop.toml"
    text = manifest.read_text(encoding="utf-8").replace('"regex:(/do/[^\\"]+)"', '"json:data"')
    text = text.replace("cookies = true", 'cookies = true\nsource_addresses = "127.2.0.0/16"')
    text = text.replace('request = "GET /me"', 'request = "GET /me"\ncapture = { kind = "header:Content-Type" }')
    manifest.write_text(text, encoding="utf-8")
    own = visit.run_dir / "fast.py"
    own.write_text(FAST, encoding="utf-8")
    visit.scenario = str(own)
    visit.run(8, members.url, *users(visit, 8))
    assert Counter(op["o"] for op in visit.ops("buy")) == {"accepted": 5, "sold_out": 3}
    assert Counter(op["o"] for op in visit.ops("status")) == {"pending": 5, "confirmed": 4, "rejected": 1}
    assert {address for *_, user, address in members.asked if user == "u 3"} == {"127.2.0.3"}


def test_who_retries_does_the_steps_of_the_click_again(visit: Rush, members: Members) -> None:
    path = visit.run_dir / "experiment.toml"
    path.write_text(
        "buyers = 3\n" + path.read_text(encoding="utf-8") + "[traffic]\nretries = 2\nbackoff_s = 0.1\n",
        encoding="utf-8",
    )
    manifest = visit.run_dir / "shop.toml"
    manifest.write_text(
        manifest.read_text(encoding="utf-8").replace(
            'contains = "sold out"\nis = "sold_out"', 'contains = "sold out"\nis = "throttled"'
        ),
        encoding="utf-8",
    )
    members.stock = 1
    visit.scenario = "scenarios/retry_storm.py"
    visit.run(3, members.url, *users(visit, 3))
    assert Counter(op["o"] for op in visit.ops("buy")) == {"accepted": 1, "throttled": 2}
    assert Counter(op["o"] for op in visit.ops("retry")) == {"throttled": 4}
    assert len(members.paths("/path")) == 3 + 4
