"""Sales held from the web page, in a real browser; and what is left when it is ended."""

import http.client
import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from loadtest.stack.embedded import free_port

SMALL = (
    "--set", "stock=60", "--set", "buyers=300", "--set", "limiter.rate_per_s=30",
    "--set", "arrivals.poll_s=0.4", "--set", "drain.settle_s=0.2",
)  # fmt: skip


class Web:
    """A running ``loadtest run --web``."""

    def __init__(self, popen: "subprocess.Popen[str]", out: Path, port: int, path: str) -> None:
        self.popen, self.out, self.port = popen, out, port
        self.url = f"http://127.0.0.1:{port}{path}/flash-sale"

    def wait_up(self) -> None:
        assert self.popen.stdout is not None
        line = self.popen.stdout.readline()
        assert self.url in line, line + (self.popen.stdout.read() if self.popen.poll() is not None else "")

    def post(self, what: str, values: dict[str, Any], origin: str | None = None) -> tuple[int, str]:
        headers = {"Content-Type": "application/json"} | ({"Origin": origin} if origin else {})
        request = urllib.request.Request(f"{self.url}/{what}", json.dumps(values).encode(), headers, method="POST")
        return answer(request)

    def post_text(self, what: str, text: bytes) -> tuple[int, str]:
        headers = {"Content-Type": "application/json", "Origin": self.own}
        return answer(urllib.request.Request(f"{self.url}/{what}", text, headers, method="POST"))

    def get(self, what: str) -> tuple[int, str]:
        return answer(urllib.request.Request(f"{self.url}/{what}"))

    @property
    def own(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def state(self) -> dict[str, Any]:
        return self.wait(lambda _: True)

    def wait_for(self, phase: str) -> dict[str, Any]:
        return self.wait(lambda data: bool(data["state"]["phase"] == phase))

    def wait(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The state of the sale once the page's data are as they should be."""
        deadline = time.monotonic() + 30
        while not condition(data := json.loads(self.get("data")[1])):
            assert time.monotonic() < deadline, data
            time.sleep(0.05)
        state: dict[str, Any] = data["state"]
        return state

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        """Ctrl-C; gives the exit code when no process and no port is left."""
        family = psutil.Process(self.popen.pid).children(recursive=True)
        assert family
        self.popen.send_signal(number)
        code = self.popen.wait(30)
        _, left = psutil.wait_procs(family, timeout=1)
        assert [each for each in left if each.status() != psutil.STATUS_ZOMBIE] == []
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", self.port)) != 0
        return code


def answer(request: urllib.request.Request) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def until(page: Any, condition: str) -> None:
    """Wait for a condition in the page. Playwright's own waiting needs eval, which the page's policy forbids."""
    deadline = time.monotonic() + 20
    while not page.evaluate(condition):
        assert time.monotonic() < deadline, (condition, page.inner_text("body"))
        time.sleep(0.05)


@contextmanager
def web(out: Path, *arguments: str) -> Iterator[Web]:
    port = free_port()
    path = arguments[arguments.index("--web-base-path") + 1] if "--web-base-path" in arguments else ""
    popen = subprocess.Popen(
        [sys.executable, "-u", "-m", "loadtest", "run", "--web", "--web-port", str(port), *SMALL, "--out", str(out), *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=out, start_new_session=True, encoding="utf-8",
    )  # fmt: skip
    try:
        running = Web(popen, out, port, path)
        running.wait_up()
        yield running
    finally:
        popen.kill()
        popen.wait()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """One warm stack for the tests that follow each other here."""
    with web(tmp_path_factory.mktemp("web")) as running:
        yield running
        assert running.end() == 0, "between two sales, Ctrl-C is how it ends"


@pytest.fixture
def page(browser: Any, shop: Web) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 400, "height": 900})
    opened = context.new_page()
    opened.said = []
    opened.on("console", lambda message: opened.said.append(message.text))
    opened.on("pageerror", lambda error: opened.said.append(str(error)))
    opened.on("request", lambda request: request.url.startswith(shop.own) or opened.said.append(request.url))
    opened.goto(shop.url)
    yield opened
    context.close()


@pytest.mark.alone
def test_a_sale_from_the_page_ends_in_a_verdict_and_its_report(shop: Web, page: Any) -> None:
    until(page, "word.textContent === 'No sale yet'")
    page.fill("[name=buyers]", "240")
    page.click("#start")
    page.wait_for_selector("#control:not([hidden])")
    until(page, "word.textContent === 'Herd'")
    assert page.is_disabled("#start")
    page.fill("#control [name=rate]", "45")
    page.click("#change")
    until(page, "document.querySelector('#rates svg')?.textContent.includes('limit 45/s')")
    page.wait_for_function(
        "/So far: nothing oversold; \\d+ of 60 units stored.*Not judged yet/.test(sentence.textContent)"
    )
    until(page, "word.textContent === 'VALID'")
    assert "60 seeded · 60 sold · 0 oversold" in page.text_content("#sentence")
    assert page.is_enabled("#start")
    until(page, "document.querySelector('#units svg').textContent.includes('60 rows')")
    assert page.evaluate("document.documentElement.scrollWidth") == 400
    run_dir = Path(shop.state()["held"][-1]["run_dir"])
    change = json.loads((run_dir / "limits.jsonl").read_text(encoding="utf-8"))
    assert (change["rate_per_s"], change["together_per_s"], change["answered"]) == (45, 45, 1)
    assert json.loads((run_dir / "verdict.json").read_text(encoding="utf-8"))["verdict"] == "VALID"
    assert (run_dir / "locust" / "stats_stats.csv").read_text(encoding="utf-8").count("\n") == 5
    assert (shop.out / "latest").resolve() == run_dir
    page.click("#sentence a")
    page.wait_for_url("**/runs/1/report.html")
    assert "VALID" in page.title()
    assert page.said == []


def test_what_cannot_be_is_refused_and_the_next_sale_may_begin(shop: Web, page: Any) -> None:
    page.fill("[name=stock]", "60000000")
    page.click("#start")
    until(page, "word.textContent === 'Refused'")
    assert "stock = 60000000: expected less than or equal to 10000000" in page.text_content("#sentence")
    until(page, "!start.disabled")
    page.select_option("[name=scheme]", "naive")
    assert page.input_value("[name=dispatch]") == "inline"
    assert page.is_disabled("[name='limiter.kind']")
    # What names files or programs is for the terminal alone.
    assert shop.post("start", {"scenario": "mine.py", "stock": 60}, shop.own)[0] == 200
    until(page, "sentence.textContent.startsWith('scenario: cannot be set from the page')")


def test_an_oversell_shows_in_red_while_it_goes_on_and_in_the_verdict(shop: Web, page: Any) -> None:
    page.select_option("[name=scheme]", "naive")
    page.fill("[name=stock]", "100")
    page.fill("[name=buyers]", "400")
    page.click("#start")
    until(page, "banner.classList.contains('wrong') && /So far: \\d+ oversold/.test(sentence.textContent)")
    until(page, "word.textContent === 'INVALID'")
    before = page.text_content("#numbers")
    assert "invalid: oversell" in page.text_content("#sentence")
    assert int(page.text_content("#numbers .bad dd").replace(",", "")) > 0
    red, line = page.evaluate(
        "['#units .over', '#units .s-ink'].map(s => document.querySelector(s).getBoundingClientRect()).map(r => [r.top, r.bottom])"
    )
    assert red[0] < line[0] <= red[1] + 1, "the area is above the line of the stock"
    page.fill("[name=stock]", "60000000")
    page.click("#start")
    until(page, "word.textContent === 'Refused'")
    assert page.text_content("#numbers") == before, "a sale that was not held changes no figure"


NO_NUMBERS = ["1e999", "-1e999", "NaN", "Infinity", "-Infinity", "9" * 5_000 + ".5"]


def test_what_is_no_number_is_400_and_nothing_is_lost(shop: Web) -> None:
    before = shop.state()
    wrong = [
        f'{{"{key}": {text}}}' for key in ("buyers", "stock", "limiter.rate_per_s", "rate_per_s") for text in NO_NUMBERS
    ]
    wrong += [
        *NO_NUMBERS,
        "[]",
        "5",
        "null",
        '"buyers"',
        "{",
        "buyers=5",
        "[" * 100_000,
        '{"a": {"b": [1e999]}}',
        '{"buyers": ' + "9" * 5_000 + "}",
    ]
    for text in wrong:
        for what in ("start", "rate"):
            code, told = shop.post_text(what, text.encode())
            assert (code, what) == (400, what), (text[:60], told)
            assert "expected a" in json.loads(told)["error"]
            assert len(told) < 400
    assert shop.post_text("start", b"\xff\xfe{")[0] == 400
    for buyers in (0, -1, 1.5, True, "5", None, [5], 10**7, 10**30):
        code, told = shop.post("start", {"buyers": buyers}, shop.own)
        assert (code, "from 1 to 1,000,000" in told) == (400, True), buyers
    assert shop.state() == before
    # What the page lets pass, the experiment refuses in its own words; and the session goes on.
    number = before["number"]
    for values in (
        {"limiter.rate_per_s": 5e-324},
        {"limiter.rate_per_s": 1e308},
        {"stock": 10**30},
        {"workers.count": 1e300},
        {"scheme": {}},
    ):
        assert shop.post("start", values, shop.own)[0] == 200
        number += 1
        state = shop.wait(lambda data, number=number: data["idle"] and data["state"]["number"] == number)
        assert (state["phase"], "expected" in state["error"]) == ("refused", True), state
    assert [each["number"] for each in state["held"]] == [each["number"] for each in before["held"]]


def test_nobody_asks_by_another_name_or_from_another_site_not_even_locusts_own_views(shop: Web) -> None:
    own = f"127.0.0.1:{shop.port}"
    for host in ("evil.example", f"evil.example:{shop.port}", "127.0.0.1", "127.0.0.1:80", ""):
        for path in ("/flash-sale", "/flash-sale/data", "/", "/stats/requests"):
            assert raw(shop.port, "GET", path, Host=host)[0] in (400, 403), (host, path)
    for name in (own, f"localhost:{shop.port}", f"LOCALHOST:{shop.port}", f"[::1]:{shop.port}"):
        assert raw(shop.port, "GET", "/flash-sale/data", Host=name)[0] == 200, name
    foreign = (
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {},
        {"Referer": "http://evil.example/"},
        {"Origin": "http://[::1"},
    )
    for headers in foreign:
        for path in ("/swarm", "/stop", "/stats/reset", "/user", "/flash-sale/start"):
            assert raw(shop.port, "POST", path, Host=own, **headers)[0] == 403, (path, headers)
    assert raw(shop.port, "POST", "/stats/reset", Host=own, Referer=f"http://{own}/")[0] == 200
    code, headers = raw(shop.port, "GET", "/stats/requests", Host=own, Origin="http://evil.example")
    assert (code, headers["Access-Control-Allow-Origin"]) == (200, f"http://{own}")


def raw(port: int, method: str, path: str, **headers: str) -> tuple[int, Any]:
    """Status and headers of the answer to a request with exactly these headers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.putrequest(method, path, skip_host=True)
        for name, value in {**headers, "Content-Length": "0"}.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.headers
    finally:
        connection.close()


def test_only_the_page_itself_may_ask(shop: Web) -> None:
    before = shop.state()["number"]
    for origin in (None, "http://evil.example", "null", f"http://127.0.0.1:{shop.port + 1}"):
        assert shop.post("start", {"buyers": 5}, origin)[0] == 403
    assert shop.state()["number"] == before
    assert shop.post("rate", {"rate_per_s": 5}, shop.own)[0] == 409
    for path in ("runs/1/..%2f..%2f..%2fetc/passwd", "runs/1/../../web", "runs/77/report.html", "runs/0/report.html"):
        assert shop.get(path)[0] == 404
    with urllib.request.urlopen(urllib.request.Request(shop.url, headers={"Origin": "http://evil.example"})) as page:
        assert page.headers["Access-Control-Allow-Origin"] == shop.own
        assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    mode = next((shop.out / "web").glob("*/desk")).stat().st_mode
    assert mode & 0o77 == 0


def test_buyers_sent_home_leave_a_drain_that_can_be_interrupted(tmp_path: Path) -> None:
    """The sale is begun in Locust's own form, whose number of users is the number of buyers."""
    with web(tmp_path, "--web-base-path", "/shop", "--set", "limiter.rate_per_s=10") as running:
        form = urllib.request.Request(
            f"{running.own}/shop/swarm", b"user_count=200&spawn_rate=200&host=", {"Origin": running.own}, method="POST"
        )
        assert answer(form)[0] == 200
        state = running.wait_for("herd")
        assert state["buyers"] == 200
        running.wait(lambda data: data["outcomes"] == {"won": 60, "sold_out": 140})
        assert running.post("stop", {}, running.own)[0] == 200
        running.wait_for("draining")
        running.wait(lambda data: data["latest"].get("broker.ready", 0) > 0)
        assert running.end() == 130
        run_dir = (tmp_path / "latest").resolve()
        assert str(run_dir) == state["run_dir"]
        assert (run_dir / "final" / "orders.parquet").exists()
        assert not (run_dir / "verdict.json").exists()
