"""The shop's interface, as buyers meet it."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from target.config import Config

Browse = Callable[[Config], Any]
Prepare = Callable[[Config], Config]


@pytest.fixture
def sale(config: Config, prepare: Prepare) -> Config:
    return prepare(replace(config, stock=2))


@pytest.fixture
def shop(sale: Config, browse: Browse) -> Any:
    return browse(sale)


@pytest.fixture
def orders(sale: Config) -> str:
    return f"/sales/{sale.sale}/orders"


def test_won_already_bought_and_sold_out(shop: Any, sale: Config, orders: str) -> None:
    url = f"{orders}/{sale.number(1)}?buyer=b-1"
    won = shop.post(orders, {"buyer": "b-1"})
    assert (won.status, won.body) == (202, {"outcome": "won", "number": sale.number(1), "status_url": url})
    again = shop.post(orders, {"buyer": "b-1"})
    assert (again.status, again.body) == (
        409,
        {"outcome": "already_bought", "number": sale.number(1), "status_url": url},
    )
    assert shop.post(orders, {"buyer": "b-2"}).status == 202
    late = shop.post(orders, {"buyer": "b-3"})
    assert (late.status, late.body) == (410, {"outcome": "sold_out"})


def test_everybody_at_once(shop: Any, orders: str, rows: Any) -> None:
    said = shop.post_all(orders, [{"buyer": f"b-{n}"} for n in range(300)])
    assert sorted(each.status for each in said) == [202] * 2 + [410] * 298
    assert len(rows.all()) == 2


def test_the_status_url_answers(shop: Any, orders: str, sale: Config) -> None:
    url = shop.post(orders, {"buyer": "b+1@x"}).body["status_url"]
    answer = shop.get(url)
    assert (answer.status, answer.body) == (200, {"number": sale.number(1), "status": "confirmed"}), url
    assert shop.get(f"{orders}/{sale.number(1)}").body["status"] == "confirmed"


def test_an_order_that_nobody_holds_is_not_found(shop: Any, orders: str, sale: Config) -> None:
    shop.post(orders, {"buyer": "b-1"})
    for path in (f"{orders}/{sale.number(2)}", f"{orders}/{sale.number(1)}?buyer=b-2", f"{orders}/{'x' * 3000}"):
        answer = shop.get(path)
        assert (answer.status, answer.type) == (404, "application/problem+json")
        assert len(json.dumps(answer.body)) < 300


def test_the_page_counts_down(shop: Any, orders: str, sale: Config) -> None:
    assert shop.get(f"/sales/{sale.sale}").body == {"opens_at": None, "stock": 2, "left": 2}
    shop.post(orders, {"buyer": "b-1"})
    assert shop.get(f"/sales/{sale.sale}").body["left"] == 1


def test_health(shop: Any) -> None:
    assert shop.get("/health").status == 200


def test_another_sale_is_not_found(shop: Any) -> None:
    for answer in (
        shop.get("/sales/other"),
        shop.get("/sales/other/orders/x"),
        shop.post("/sales/other/orders", {"buyer": "b-1"}),
    ):
        assert (answer.status, answer.type) == (404, "application/problem+json")


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"null", b"[]", b'"b-1"', b"\xff\xfe", b"[" * 3000, b"{}", b'{"buyer": null}', b'{"buyer": 7}', b'{"buyer": ["b-1"]}',
        b'{"buyer": ""}', b'{"buyer": "a b"}', b'{"buyer": "b\\n"}', b'{"buyer": "b\\u0000"}', b'{"buyer": "b\\ud800"}', b'{"buyer": "a/b"}',
        b'{"buyer": "a\\"b"}', b'{"buyer": "\\u00fc"}',
        json.dumps({"buyer": "b" * 65}).encode(), json.dumps({"buyer": "b-1", "more": "x" * 5000}).encode(),
    ],
)  # fmt: skip
def test_what_is_not_an_order_is_refused_and_takes_nothing(shop: Any, orders: str, sale: Config, body: bytes) -> None:
    answer = shop.post(orders, body)
    assert (answer.status, answer.type) == (422, "application/problem+json")
    assert answer.body["status"] == 422
    assert answer.body["detail"].startswith("expected")
    assert shop.get(f"/sales/{sale.sale}").body["left"] == 2


def test_before_it_opens_buyers_are_throttled(sale: Config, browse: Browse, orders: str) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    shop = browse(replace(sale, opens_at=later))
    assert (shop.post(orders, {"buyer": "b-1"}).status, shop.post(orders, {"buyer": "b-1"}).body) == (
        429,
        {"outcome": "throttled"},
    )
    assert shop.get(f"/sales/{sale.sale}").body == {"opens_at": later.isoformat(), "stock": 2, "left": 2}
    assert browse(replace(sale, opens_at=later - timedelta(hours=2))).post(orders, {"buyer": "b-1"}).status == 202


def test_without_redis_everything_is_unavailable_and_nothing_refused_for_good(
    sale: Config, browse: Browse, orders: str, closed_port: int
) -> None:
    shop = browse(replace(sale, redis_url=f"redis://127.0.0.1:{closed_port}/0"))
    said = [
        shop.post(orders, {"buyer": "b-1"}),
        shop.get(f"{orders}/x"),
        shop.get(f"/sales/{sale.sale}"),
        shop.get("/health"),
    ]
    assert [each.status for each in said] == [503] * 4


def test_an_order_the_database_refuses_is_no_win(shop: Any, orders: str, sale: Config, engine: Any) -> None:
    from target.stores.claims import Claim
    from target.stores.orders import insert

    insert(engine, sale.sale, Claim(sale.number(1), "somebody"))
    assert shop.post(orders, {"buyer": "b-1"}).status == 503
    assert shop.get(f"{orders}/{sale.number(1)}?buyer=b-1").body["status"] == "rejected"
