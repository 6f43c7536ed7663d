"""The page of a bare Locust: behind its login, under its path, and honest about what nobody judged."""

import http.cookiejar
import json
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

import pytest

from tests.scenarios.conftest import MANIFEST, Rush, Shop, free_port

PASSWORD = "open sesame"


class Visitor:
    """A browser that keeps cookies, and sends its origin as browsers do."""

    def __init__(self, port: int) -> None:
        self.origin = f"http://127.0.0.1:{port}"
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))

    def ask(self, path: str, form: dict[str, Any] | None = None) -> tuple[str, str]:
        """Where one ends up, and what is there."""
        data = None if form is None else urllib.parse.urlencode(form).encode()
        request = urllib.request.Request(self.origin + path, data, {"Origin": self.origin})
        with self._opener.open(request, timeout=10) as response:
            return response.url.removeprefix(self.origin), response.read().decode()

    def data(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.ask("/x/flash-sale/data")[1])
        return answer


@pytest.fixture
def visitor(rush: Rush, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Visitor:
    """Someone in front of a Locust with login and base path; no harness anywhere."""
    monkeypatch.setenv("LOADTEST_WEB_PASSWORD", PASSWORD)
    (rush.run_dir / "manifest.toml").write_text(MANIFEST, encoding="utf-8")
    port = free_port()
    rush.start(
        "--web-host", "127.0.0.1", "--web-port", str(port), "--web-base-path", "/x", "--web-login",
        "--shop", str(rush.run_dir / "manifest.toml"), host=shop.url,
    )  # fmt: skip
    visitor = Visitor(port)
    rush.wait_for(lambda: answers(visitor))
    return visitor


def answers(visitor: Visitor) -> bool:
    try:
        return bool(visitor.ask("/x/login"))
    except urllib.error.URLError:
        return False


def test_behind_the_login_a_bare_sale_is_drawn_and_not_judged(visitor: Visitor, rush: Rush, shop: Shop) -> None:
    for path in ("", "/data", "/runs/1/report.html"):
        assert visitor.ask(f"/x/flash-sale{path}")[0].startswith("/x/login"), path
    assert visitor.ask("/x/flash-sale/login", {"username": "me", "password": "guess"})[0] == "/x/login"
    assert visitor.ask("/x/flash-sale/login", {"username": "me", "password": PASSWORD})[0] == "/x/flash-sale"

    _, page = visitor.ask("/x/flash-sale")
    assert "Nothing here is judged" in page
    assert "<form" not in page
    for address in re.findall(r'(?:href|src)="([^"]+)"', page):
        assert address == "data:," or visitor.ask(address)[1], address
    assert 'href="/x/flash-sale"' in visitor.ask("/x/")[1], "Locust's own page links to it"

    visitor.ask("/x/swarm", {"user_count": 20, "spawn_rate": 20, "host": shop.url})
    rush.wait_for(lambda: sum(visitor.data()["outcomes"].values()) == 20)
    time.sleep(0.6)  # the charts' clock ticks four times a second
    data = visitor.data()
    assert data["outcomes"] == {"won": 5, "sold_out": 15}
    assert data["state"] is None
    assert data["latest"]["generator.sent"] >= 40
    assert data["t0_ms"] is not None
    assert len(data["points"]) == data["next"] > 2
    table = {
        row["what"]: row["value"]
        for row in json.loads(visitor.ask("/x/stats/requests")[1])["extended_stats"][0]["data"]
    }
    assert table["told sold out"] == "15"
    assert table["verdict"].startswith("Nothing here is judged")
    with pytest.raises(urllib.error.HTTPError, match="404"):
        visitor.ask("/x/flash-sale/start", {})
