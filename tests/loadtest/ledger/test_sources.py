import contextlib
from collections.abc import Iterator

import psycopg2
import pytest
import redis

from loadtest.ledger.redis_sources import PAGE
from loadtest.ledger.rows import Row
from loadtest.ledger.sources import Reader
from loadtest.manifest.final import Source
from loadtest.stack import Services


@pytest.fixture
def reader(services: Services) -> Iterator[Reader]:
    """A reader of the sale `s` of 3, with two rows, and one number in each kind of Redis key."""
    with (
        contextlib.closing(psycopg2.connect(services.postgres)) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(
            "DROP TABLE IF EXISTS bought; CREATE TABLE bought (sale text, number text, buyer text, created_at timestamptz)"
        )
        cursor.execute(
            "INSERT INTO bought VALUES ('s', 's-1', 'b-1', '2026-01-01 00:00:00.000001+00'), ('t', 't-1', 'b-1', now())"
        )
    with redis.Redis.from_url(services.redis) as client:
        client.delete("s:list", "s:set", "s:sorted", "s:hash", "s:value")
        client.rpush("s:list", "s-2", "s-3")
        client.sadd("s:set", "s-2")
        client.zadd("s:sorted", {"s-3": 1.0, "s-2": 2.5})
        client.hset("s:hash", "s-2", "b-9")
        client.set("s:value", 7)
    with contextlib.closing(Reader(services, "s", 3)) as opened:
        yield opened


@pytest.mark.parametrize(
    ("source", "pairs"),
    [
        (Source(sql="SELECT number, buyer FROM bought WHERE sale = :sale"), [("s-1", "b-1")]),
        (Source(sql="SELECT number::text FROM bought WHERE sale = :sale"), [("s-1", None)]),
        (Source(redis_list="{sale}:list"), [("s-2", None), ("s-3", None)]),
        (Source(redis_set="{sale}:set"), [("s-2", None)]),
        (Source(redis_sorted_set="{sale}:sorted"), [("s-3", None), ("s-2", None)]),
        (Source(sql="SELECT number FROM bought WHERE sale = :sale;\n"), [("s-1", None)]),
        (Source(sql="SELECT number FROM bought WHERE sale = :sale -- of this sale"), [("s-1", None)]),
        (Source(sql="SELECT n::text FROM generate_series(1, :stock) n"), [("1", None), ("2", None), ("3", None)]),
        (Source(redis_hash="{sale}:hash"), [("s-2", "b-9")]),
        (Source(redis_list="{sale}:nothing"), []),
        (Source(pattern="{sale}-{n:06d}"), [("s-000001", None), ("s-000002", None), ("s-000003", None)]),
        (None, []),
    ],
)
def test_every_kind_of_source_reads_and_counts_alike(
    reader: Reader, source: Source | None, pairs: list[tuple[str, str | None]]
) -> None:
    assert list(reader.pairs(source)) == pairs
    assert reader.count(source) == len(pairs)


def test_rows_carry_their_time_in_nanoseconds(reader: Reader) -> None:
    source = Source(sql="SELECT number, buyer, created_at FROM bought WHERE sale = :sale")
    assert list(reader.rows(source)) == [Row("s-1", "b-1", 1_767_225_600_000_001_000)]


def test_a_value_is_its_own_count(reader: Reader) -> None:
    assert reader.count(Source(redis_value="{sale}:value")) == 7


def test_a_long_list_is_read_in_pages(reader: Reader, services: Services) -> None:
    with redis.Redis.from_url(services.redis) as client:
        client.delete("s:long")
        client.rpush("s:long", *[f"n-{n}" for n in range(PAGE + 5)])
    assert list(reader.numbers(Source(redis_list="s:long"))) == [f"n-{n}" for n in range(PAGE + 5)]
