"""The database itself refuses what must not be, whatever the shop sends it."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from target.config import Config

Prepare = Callable[[Config], Config]
REFUSED = (sa.exc.IntegrityError, sa.exc.DataError)


@pytest.fixture
def sale(config: Config, prepare: Prepare) -> Config:
    return prepare(replace(config, stock=3))


def insert(engine: sa.Engine, config: Config, number: str, buyer: str, nth: int = 1, stock: int | None = None) -> None:
    """One row, as a shop might write it that knows nothing of guards."""
    values = {
        "number": number,
        "sale": config.sale,
        "buyer": buyer,
        "nth": nth,
        "stock": stock or config.stock,
        "cap": config.per_buyer,
    }
    statement = "INSERT INTO orders (number, sale, buyer, nth, stock, per_buyer) VALUES (:number, :sale, :buyer, :nth, :stock, :cap)"
    with engine.connect() as connection:
        connection.execute(sa.text(statement), values)


def count(engine: sa.Engine, config: Config) -> int:
    with engine.connect() as connection:
        return connection.scalar(sa.text("SELECT count(*) FROM orders WHERE sale = :sale"), {"sale": config.sale}) or 0


@pytest.mark.parametrize(
    "number",
    [
        "{sale}-000004",
        "{sale}-000000",
        "{sale}-0000003",
        "{sale}-3",
        "{sale}-",
        "other-000001",
        "000001",
        "",
        "{sale}-99999999",
        "{sale}-999999999999999999999",
    ],
)
def test_the_row_past_the_stock_is_refused_whatever_its_number(engine: sa.Engine, sale: Config, number: str) -> None:
    for unit in (1, 2, 3):
        insert(engine, sale, sale.number(unit), f"b-{unit}")
    with pytest.raises(REFUSED):
        insert(engine, sale, number.format(sale=sale.sale), "b-4")
    assert count(engine, sale) == 3


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.from_regex(r"\A(-|x-)?0{0,7}[0-9]{1,3}\Z"), max_size=12))
def test_no_set_of_numbers_makes_more_rows_than_units(engine: sa.Engine, sale: Config, endings: list[str]) -> None:
    with engine.connect() as connection:
        connection.execute(sa.text("DELETE FROM orders WHERE sale = :sale"), {"sale": sale.sale})
    for n, ending in enumerate(endings):
        try:
            insert(engine, sale, sale.sale + ending, f"b-{n}")
        except REFUSED:
            continue
    assert count(engine, sale) <= 3


def test_a_second_row_for_a_number_is_refused(engine: sa.Engine, sale: Config) -> None:
    insert(engine, sale, sale.number(1), "b-1")
    with pytest.raises(sa.exc.IntegrityError, match="orders_pkey"):
        insert(engine, sale, sale.number(1), "b-2")


def test_a_second_row_for_a_buyer_is_refused(engine: sa.Engine, sale: Config) -> None:
    insert(engine, sale, sale.number(1), "b-1")
    with pytest.raises(sa.exc.IntegrityError, match="orders_cap_a_buyer"):
        insert(engine, sale, sale.number(2), "b-1")
    with pytest.raises(sa.exc.IntegrityError, match="orders_within_cap"):
        insert(engine, sale, sale.number(2), "b-1", nth=2)


def test_a_row_cannot_lie_about_the_stock(engine: sa.Engine, sale: Config) -> None:
    with pytest.raises(sa.exc.IntegrityError, match="orders_know_the_sale"):
        insert(engine, sale, sale.number(4), "b-4", stock=4)


def test_the_stock_of_a_sale_with_orders_cannot_be_changed(engine: sa.Engine, sale: Config) -> None:
    insert(engine, sale, sale.number(1), "b-1")
    with engine.connect() as connection, pytest.raises(sa.exc.IntegrityError):
        connection.execute(sa.text("UPDATE sales SET stock = 400 WHERE id = :sale"), {"sale": sale.sale})


def test_numbers_above_a_million_keep_all_their_digits(engine: sa.Engine, config: Config, prepare: Prepare) -> None:
    sale = replace(config, stock=2_000_000)
    with engine.connect() as connection:
        from target.stores import database

        database.reset(connection, sale)
    insert(engine, sale, sale.number(1_234_567), "b-1")
    assert count(engine, sale) == 1
