"""Who may ask the page: names and origins, as browsers and programs send them."""

import pytest
from flask import Flask

from loadtest.load.page.door import Door


def status(door: Door, method: str, **headers: str) -> int:
    app = Flask(__name__)
    door.guard(app)
    app.add_url_rule("/", view_func=lambda: "yes", methods=["GET", "POST", "PUT", "DELETE"])
    ask = getattr(app.test_client(), method.lower())
    return int(ask("/", headers=headers).status_code)


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8089", "localhost:8089", "LocalHost:8089", "[::1]:8089", "sale.example.com"]
)
def test_its_own_names_and_those_it_was_given(host: str) -> None:
    door = Door.on(8089, ["Sale.Example.com"])
    assert status(door, "GET", Host=host) == 200
    assert status(door, "POST", Host=host, Origin=f"https://{host}") == 200
    assert status(door, "PUT", Host=host, Referer=f"http://{host}/flash-sale?x=1") == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "127.0.0.1:8090", "127.0.0.1.evil.example:8089", "localhost", "sale.example.com:8089", "localhost:8089@evil"]
)  # fmt: skip
def test_no_other_name_even_if_it_points_here(host: str) -> None:
    assert status(Door.on(8089, ["sale.example.com"]), "GET", Host=host) == 403


@pytest.mark.parametrize(
    "headers",
    [
        {}, {"Origin": "null"}, {"Origin": "http://evil.example"}, {"Origin": "http://127.0.0.1:8090"}, {"Origin": "http://[::1"},
        {"Referer": "http://evil.example/?http://127.0.0.1:8089/"}, {"Origin": "http://evil.example", "Referer": "http://127.0.0.1:8089/"},
        {"Origin": "127.0.0.1:8089"},
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_is_changed_from_elsewhere(method: str, headers: dict[str, str]) -> None:
    assert status(Door.on(8089, []), method, Host="127.0.0.1:8089", **headers) == 403


def test_port_80_is_left_away_by_browsers() -> None:
    assert status(Door.on(80, []), "POST", Host="127.0.0.1", Origin="http://127.0.0.1") == 200
