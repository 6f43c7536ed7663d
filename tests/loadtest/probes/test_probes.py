"""Probes of real services: what they read is so."""

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import psycopg2
import pymysql
import pytest
import redis
import sqlalchemy as sa
from psycopg2.extras import wait_select

from loadtest.ledger.connections import connect_postgres
from loadtest.manifest.final import Final, Source
from loadtest.probes import SELDOM, Probe, Reading, Subject
from loadtest.probes.mysql import MySqlProbe
from loadtest.probes.postgres import STATE, PostgresProbe
from loadtest.probes.redis import RedisProbe
from loadtest.probes.truth import TruthProbe
from loadtest.stack import Services
from tests.waiting import eventually

FINAL = Final(
    seeded=Source(pattern="{sale}-{n:06d}"),
    rows=Source(sql="SELECT number, buyer FROM watched WHERE sale = :sale"),
    tokens=Source(redis_list="{sale}:numbers"),
    claims=Source(redis_hash="{sale}:claims"),
)


@pytest.fixture
def subject(services: Services, tmp_path: Path) -> Subject:
    return Subject(services, "watched", 3, FINAL, None, tmp_path / "processes.jsonl")


@pytest.fixture
def table(services: Services) -> Iterator[Any]:
    """Executes statements in a table of the sale, in a connection of their own, until it is rolled back."""
    with contextlib.closing(psycopg2.connect(services.postgres)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "DROP TABLE IF EXISTS watched; CREATE TABLE watched (sale text, number text PRIMARY KEY, buyer text)"
        )
        connection.commit()
        yield connection
        connection.rollback()


def insert(connection: Any, number: str) -> Any:
    """Gives the cursor: an asynchronous connection needs it until it is done."""
    cursor = connection.cursor()
    cursor.execute("INSERT INTO watched VALUES ('watched', %s, 'b-1')", (number,))
    return cursor


def full(probe: Probe) -> Reading:
    """The next reading that has everything in it."""
    return max((probe.read() for _ in range(SELDOM)), key=len)


def test_the_database_tells_who_waits_for_whom(subject: Subject, table: Any) -> None:
    with contextlib.closing(PostgresProbe(subject)) as probe:
        idle = probe.read()
        assert (idle["active"], idle["lock_waits"]) == (0, 0), "it does not see itself"
        insert(table, "n-1")
        with contextlib.closing(psycopg2.connect(subject.services.postgres, async_=True)) as second:
            wait_select(second)
            _waits = insert(second, "n-1")
            eventually(lambda: probe.read()["lock_waits"] == 1)
            assert probe.read()["active"] == 1
            table.rollback()
            wait_select(second)
        assert probe.read()["active"] == 0
        after = probe.read()
        assert after["write_xids"] >= idle["write_xids"] + 2
        assert after["wal_bytes"] > idle["wal_bytes"]
        eventually(lambda: probe.read()["inserts"] > idle["inserts"])
        assert probe.read()["commits"] > idle["commits"]


def test_the_truth_is_counted_wherever_it_is(
    subject: Subject, table: Any, mysql: str, tmp_path: Path, services: Services
) -> None:
    insert(table, "n-1")
    table.commit()
    with contextlib.closing(sqlite3.connect(tmp_path / "wal.db")) as wal:
        wal.execute("PRAGMA journal_mode = wal")
        wal.execute("CREATE TABLE watched (sale, number, buyer)")
        wal.executemany("INSERT INTO watched VALUES ('watched', ?, 'b-1')", [("n-1",), ("n-2",)])
        wal.commit()
        with redis.Redis.from_url(services.redis) as client:
            client.hset("watched:claims", "n-1", "b-1")
        in_redis = FINAL.model_copy(update={"rows": FINAL.claims})
        told = {
            1.0: (subject, replace(subject, final=in_redis)),
            2.0: (replace(subject, truth=f"sqlite:///{tmp_path}/wal.db"),),
        }
        for rows, subjects in told.items():
            for each in subjects:
                with contextlib.closing(TruthProbe(each)) as probe:
                    assert full(probe) == {"rows": rows}


def test_what_a_look_would_disturb_is_not_looked_at(subject: Subject, tmp_path: Path) -> None:
    """A SQLite without a write-ahead log locks its writers out; a command costs as much as an order."""
    with contextlib.closing(sqlite3.connect(tmp_path / "plain.db")) as plain:
        plain.execute("CREATE TABLE watched (sale, number, buyer)")
    by_command = FINAL.model_copy(update={"rows": Source(command=("false",)), "tokens": Source(command=("false",))})
    for each in (replace(subject, truth=f"sqlite:///{tmp_path}/plain.db"), replace(subject, final=by_command)):
        with contextlib.closing(TruthProbe(each)) as probe:
            assert full(probe) == {}
    with contextlib.closing(RedisProbe(replace(subject, final=by_command))) as probe:
        assert "tokens" not in probe.read()
        assert "claims" in probe.read()


def test_a_file_that_gets_its_log_while_the_shop_starts_is_looked_at_from_then_on(
    subject: Subject, tmp_path: Path
) -> None:
    with (
        contextlib.closing(sqlite3.connect(tmp_path / "x.db")) as shop,
        contextlib.closing(TruthProbe(replace(subject, truth=f"sqlite:///{tmp_path}/x.db"))) as probe,
    ):
        shop.execute("CREATE TABLE watched (sale, number, buyer)")
        assert full(probe) == {}
        shop.execute("PRAGMA journal_mode = wal")
        assert full(probe) == {"rows": 0}


def test_only_the_database_that_orders_are_in_is_probed(subject: Subject, mysql: str, tmp_path: Path) -> None:
    given = replace(subject, services=replace(subject.services, mysql=mysql))
    by_command = FINAL.model_copy(update={"rows": Source(command=("false",))})
    probed = {
        "postgres": given,
        "mysql": replace(given, truth=mysql),
        "": replace(given, truth=f"sqlite:///{tmp_path}/x.db"),
        "mysql ": replace(given, final=by_command),
    }
    for name, each in probed.items():
        with contextlib.closing(PostgresProbe(each)) as postgres, contextlib.closing(MySqlProbe(each)) as other:
            assert (bool(postgres.read()), bool(other.read())) == (name == "postgres", name.strip() == "mysql")


def test_mysql_tells_who_waits_for_whom(subject: Subject, mysql: str) -> None:
    connect = partial(pymysql.connect, host="127.0.0.1", user="root", database=mysql.rpartition("/")[2])
    with (
        contextlib.closing(connect(autocommit=True)) as first,
        contextlib.closing(connect()) as second,
        contextlib.closing(connect()) as third,
        contextlib.closing(MySqlProbe(replace(subject, truth=mysql))) as probe,
    ):
        with first.cursor() as cursor:
            cursor.execute("CREATE TABLE counter (n INT) ENGINE = InnoDB")
            cursor.execute("INSERT INTO counter VALUES (0)")
            before = probe.read()
            for _ in range(20):
                cursor.execute("UPDATE counter SET n = n + 1")
        eventually(lambda: probe.read()["write_xids"] >= before["write_xids"] + 20)
        second.cursor().execute("UPDATE counter SET n = n + 1")
        waiting = threading.Thread(target=lambda: third.cursor().execute("UPDATE counter SET n = n + 1"))
        waiting.start()
        try:
            eventually(lambda: probe.read()["lock_waits"] >= 1)
            assert probe.read()["active"] >= 1
        finally:
            second.rollback()
            waiting.join()
        after = probe.read()
        assert after["lock_waits_ever"] > before["lock_waits_ever"]
        assert after["log_bytes"] > before["log_bytes"]


def test_the_functions_say_what_the_views_say(subject: Subject) -> None:
    view = sa.text("""
        SELECT xact_commit AS commits, xact_rollback AS rollbacks, tup_inserted AS inserts,
               (SELECT count(*) FROM pg_stat_activity a
                WHERE a.datname = d.datname AND state = 'active' AND pid <> pg_backend_pid()) AS active
        FROM pg_stat_database d WHERE datname = current_database()
    """)
    engine = connect_postgres(subject.services.postgres).execution_options(isolation_level="READ COMMITTED")
    with engine.connect() as connection:  # statistics stand still within a transaction
        state, shown = (connection.execute(statement).mappings().one() for statement in (sa.text(STATE), view))
    engine.dispose()
    assert shown["commits"] > 0
    assert {name: state[name] for name in shown} == dict(shown)


def test_redis_tells_the_sets_of_the_sale_and_its_own_figures(subject: Subject) -> None:
    with redis.Redis.from_url(subject.services.redis) as client, contextlib.closing(RedisProbe(subject)) as probe:
        client.delete("watched:numbers", "watched:claims", "watched:weight")
        client.rpush("watched:numbers", "n-2", "n-3")
        client.hset("watched:claims", "n-1", "b-1")
        before = full(probe)
        assert (before["tokens"], before["claims"]) == (2, 1)
        client.set("watched:weight", "x" * 1_000_000)
        after = full(probe)
        assert after["memory_bytes"] - before["memory_bytes"] > 0.9e6
        assert after["memory_bytes"] == pytest.approx(client.info("memory")["used_memory"], rel=0.2)
        assert 1 <= after["commands"] - before["commands"] < 20 * SELDOM
        client.delete("watched:weight")


def test_what_costs_more_is_read_at_one_tick_in_so_many(subject: Subject, table: Any) -> None:
    insert(table, "n-1")
    table.commit()
    for kind, metric in ((TruthProbe, "rows"), (RedisProbe, "memory_bytes")):
        with contextlib.closing(kind(subject)) as probe:
            assert [metric in probe.read() for _ in range(2 * SELDOM)] == ([True] + [False] * (SELDOM - 1)) * 2


def test_a_redis_that_does_not_tell_leaves_a_gap_that_says_why(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("redis.client.Pipeline.info", lambda pipeline, section: pipeline.echo(f"# {section}\r\n"))
    with contextlib.closing(RedisProbe(subject)) as probe, pytest.raises(ValueError, match="does not tell used_memory"):
        probe.read()


def test_after_a_lost_connection_the_next_reading_takes_a_new_one(subject: Subject, table: Any) -> None:
    with contextlib.closing(PostgresProbe(subject)) as probe:
        probe.read()
        with table.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'loadtest'")
        with pytest.raises(psycopg2.OperationalError):
            probe.read()
        assert "commits" in probe.read()
