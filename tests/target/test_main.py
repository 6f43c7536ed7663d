"""``python -m target prepare``: ready and repeatable, or one line and exit code 2."""

import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import psycopg2
import pytest
import redis

from target.config import Config
from target.stores.claims import Keys

Prepare = Callable[[Config], subprocess.CompletedProcess[str]]


@pytest.fixture
def prepare(shop_environment: Callable[[Config], dict[str, str]]) -> Prepare:
    """Runs the command."""

    def run(config: Config) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "target", "prepare"]
        return subprocess.run(
            command,
            env=shop_environment(config),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            encoding="utf-8",
        )

    return run


def test_it_seeds_the_same_numbers_however_often_it_runs(queued: Config, prepare: Prepare, store: redis.Redis) -> None:
    for _ in range(2):
        done = prepare(queued)
        assert (done.returncode, done.stderr) == (0, "")
        assert store.lrange(Keys.of(queued.sale).tokens, 0, -1) == [queued.number(unit) for unit in range(1, 21)]


def test_a_database_that_is_not_marked_is_left_alone(
    config: Config, prepare: Prepare, unmarked: str, store: redis.Redis
) -> None:
    done = prepare(replace(config, database_url=unmarked))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "shop: database 'shop-unmarked' is not marked as a test sale, and preparing wipes the sale in it; "
        """if it may be wiped, say so there: COMMENT ON DATABASE "shop-unmarked" IS 'test sale'\n"""
    )
    with closing(psycopg2.connect(unmarked)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        assert cursor.fetchone() == (0,)
    assert store.exists(Keys.of(config.sale).tokens) == 0


def test_once_marked_as_told_it_is_prepared(config: Config, prepare: Prepare, unmarked: str) -> None:
    told = replace(config, database_url=unmarked)
    statement = prepare(told).stderr.partition("say so there: ")[2]
    with closing(psycopg2.connect(unmarked)) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        connection.commit()
    assert prepare(told).returncode == 0


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"stock": 0}, "SHOP_STOCK: expected a whole number from 1 to 10000000, found '0'"),
        ({"scheme": "magic"}, "or tokens or tokens_reconciled, found 'magic'"),
        ({"database_url": "postgresql://x@127.0.0.1:{port}/x"}, "Connection refused"),
        ({"redis_url": "redis://127.0.0.1:{port}/0"}, "Connection refused"),
        ({"dispatch": "queued", "broker_url": "redis://127.0.0.1:{port}/0"}, "Connection refused"),
    ],
)
def test_a_mistake_is_one_line(
    config: Config, prepare: Prepare, closed_port: int, wrong: dict[str, str], said: str
) -> None:
    values = {
        name: value.format(port=closed_port) if isinstance(value, str) else value for name, value in wrong.items()
    }
    done = prepare(replace(config, **values))
    assert done.returncode == 2
    assert done.stderr.startswith("shop: ")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_unknown_command_is_bad_usage() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "target", "sell"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        encoding="utf-8",
    )
    assert done.returncode == 2
    assert "prepare" in done.stderr
