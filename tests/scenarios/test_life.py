"""How a Locust process of ours starts and ends: bare, in the web UI, by signal, in several processes, and wrongly used."""

import signal
import time
import urllib.parse
import urllib.request

from .conftest import MANIFEST, Rush, Shop, free_port


def test_bare_and_headless_it_sells_and_ends_by_itself(rush: Rush, shop: Shop) -> None:
    process = rush.start("--headless", "-u", "20", "-r", "20", host=shop.url)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert len(shop.asked) == 20
    assert not (rush.run_dir / "history").exists()


def test_in_the_web_ui_a_sale_can_be_stopped_and_started_again(rush: Rush, shop: Shop) -> None:
    port = free_port()
    rush.start("--web-host", "127.0.0.1", "--web-port", str(port), host=shop.url)

    def ask(path: str, form: dict[str, str] | None = None) -> bool:
        data = urllib.parse.urlencode(form).encode() if form else None
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", data, timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    rush.wait_for(lambda: ask("/"))
    for sale in (1, 2):
        assert ask("/swarm", {"user_count": "12", "spawn_rate": "100", "host": shop.url})
        rush.wait_for(lambda sale=sale: len(shop.asked) == 12 * sale)
        time.sleep(0.5)
        assert len(shop.asked) == 12 * sale  # nobody is replaced, nobody buys twice
        assert ask("/stop", {"by": "the user"})
    assert sorted(shop.asked) == sorted([f"b-{n:06d}" for n in range(1, 13)] * 2)


def test_sigterm_stops_at_once_and_leaves_whole_files(rush: Rush, shop: Shop) -> None:
    shop.queued_looks = 10_000
    process = rush.headless(20, shop.url)
    rush.wait_for(lambda: len(shop.looks) == 5)
    process.send_signal(signal.SIGTERM)
    start = time.monotonic()
    output, _ = process.communicate(timeout=20)
    assert time.monotonic() - start < 5
    assert process.returncode == 0, output
    [shard] = (rush.run_dir / "history").glob("*.jsonl")
    assert shard.read_bytes().endswith(b"}\n")
    assert len([op for op in rush.ops("buy") if "o" in op]) == 20
    assert (rush.run_dir / "locust/locust.html").stat().st_size > 10_000


def test_who_has_no_answer_when_it_stops_has_waited_so_far(rush: Rush, shop: Shop) -> None:
    shop.answer = lambda _: time.sleep(5)  # type: ignore[func-returns-value]
    experiment = rush.run_dir / "experiment.toml"
    experiment.write_text(
        experiment.read_text(encoding="utf-8").replace("timeout_s = 1", "timeout_s = 60"), encoding="utf-8"
    )
    process = rush.headless(20, shop.url)
    rush.wait_for(lambda: len(shop.asked) == 20)
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 0, output
    buys = rush.ops("buy")
    assert {op["o"] for op in buys} == {"unknown"}
    assert len(buys) == 20
    assert all(0.2e9 < op["e"] - op["t"] for op in buys)


def test_kill_leaves_all_that_was_begun(rush: Rush, shop: Shop) -> None:
    shop.answer = lambda _: time.sleep(5)
    process = rush.headless(20, shop.url)
    rush.wait_for(lambda: len(shop.asked) == 20)
    process.kill()
    process.wait()
    assert sorted(op["b"] for op in rush.ops("buy")) == sorted(shop.asked)


def test_one_t0_for_two_processes(rush: Rush, shop: Shop) -> None:
    output = rush.run(
        20, shop.url, "--processes", "2", "--master-bind-port", (port := str(free_port())), "--master-port", port
    )
    shards = sorted((rush.run_dir / "history").glob("*.jsonl"))
    assert [shard.name for shard in shards] == ["g0.jsonl", "g1.jsonl"], output
    buys = rush.ops("buy")
    assert len({op["b"] for op in buys}) == len(buys) == len(shop.asked) == 20
    [t0] = rush.samples("t0")
    assert {op["s"] for op in buys} == {t0["t"]}


def test_wrong_use_is_one_line_and_nothing_is_started(rush: Rush, shop: Shop) -> None:
    (rush.run_dir / "experiment.toml").write_text("buyerz = 3\n", encoding="utf-8")
    process = rush.headless(3, shop.url)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "unknown key 'buyerz'; nearest valid: 'buyers'" in output
    assert "Traceback" not in output
    assert shop.asked == []


def test_another_shop_by_its_manifest(rush: Rush, shop: Shop) -> None:
    manifest = MANIFEST.replace('number = "number"', 'number = "order.id"', 1)
    path = rush.run_dir / "other.toml"
    path.write_text(manifest, encoding="utf-8")
    shop.answer = lambda _: (202, {"order": {"id": 17}})
    rush.start("--headless", "-u", "1", "-r", "1", "--shop", str(path), "--sale", "night", host=shop.url).communicate(
        timeout=60
    )
    assert shop.looks == {"17": 2}


def test_the_scenario_needs_a_host(rush: Rush) -> None:
    process = rush.start("--headless", "-u", "1", host="")
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "--host: required" in output
