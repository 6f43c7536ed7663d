import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
import redis
import sqlalchemy as sa

import loadtest.ledger.connections as connections
from loadtest.ledger.connections import connect_postgres, connect_redis
from loadtest.ledger.final_reads import Ledger
from loadtest.ledger.sources import Reader
from loadtest.manifest.final import Final, Source
from loadtest.record.run_dir import make_parts
from loadtest.stack import Services
from loadtest.stack.embedded import embedded_postgres, embedded_redis
from loadtest.stack.process import Supervisor

SHORT_S = 0.5


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Services, Supervisor]]:
    """Servers of this file's own, which may be frozen."""
    with (
        Supervisor(tmp_path_factory.mktemp("logs")) as supervisor,
        embedded_postgres(supervisor) as postgres,
        embedded_redis(supervisor) as address,
    ):
        yield Services(postgres=postgres, redis=f"{address}/0", broker=f"{address}/1"), supervisor


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "TIMEOUT_S", 2)
    monkeypatch.setattr(connections, "ANSWER_S", SHORT_S)


@contextmanager
def frozen(port: int) -> Iterator[None]:
    """The server that listens on `port`, with all its processes, stands still."""
    listening = next(c.pid for c in psutil.net_connections("tcp4") if c.status == "LISTEN" and c.laddr.port == port)
    assert listening
    server = psutil.Process(listening)
    family = [server, *server.children(recursive=True)]
    for each in family:
        with suppress(psutil.NoSuchProcess):
            os.kill(each.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for each in family:
            with suppress(psutil.NoSuchProcess, ProcessLookupError):
                os.kill(each.pid, signal.SIGCONT)


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2].partition("/")[0])


def test_a_postgres_that_is_frozen_is_an_error_in_time(own: tuple[Services, Supervisor]) -> None:
    engine = connect_postgres(own[0].postgres)
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT 1")).scalar_one() == 1
    with frozen(port_of(own[0].postgres)):
        began = time.monotonic()
        with (
            pytest.raises(sa.exc.OperationalError, match=r"Postgres gave no answer in 0\.5 s"),
            engine.connect() as connection,
        ):
            connection.execute(sa.text("SELECT 1"))
        assert SHORT_S <= time.monotonic() - began < SHORT_S + 5
    with engine.connect() as connection:  # a cut connection is replaced, once the server is there again
        assert connection.execute(sa.text("SELECT 1")).scalar_one() == 1
    engine.dispose()


def test_a_postgres_that_was_frozen_before_is_an_error_in_time(own: tuple[Services, Supervisor]) -> None:
    engine = connect_postgres(own[0].postgres)
    with frozen(port_of(own[0].postgres)):
        began = time.monotonic()
        with pytest.raises(sa.exc.OperationalError):
            engine.connect()
        assert time.monotonic() - began < 8
    engine.dispose()


def test_a_driver_s_own_cursor_has_the_deadline_too(own: tuple[Services, Supervisor]) -> None:
    engine = connect_postgres(own[0].postgres)
    raw = engine.raw_connection()
    cursor = raw.cursor()
    with frozen(port_of(own[0].postgres)), pytest.raises(Exception, match="gave no answer"):
        cursor.execute("SELECT 1")
    raw.invalidate()
    engine.dispose()


def test_a_statement_in_time_is_not_disturbed(own: tuple[Services, Supervisor]) -> None:
    engine = connect_postgres(own[0].postgres, answer_s=2)
    with engine.connect() as connection:
        for _ in range(3):
            connection.execute(sa.text("SELECT pg_sleep(0.9)"))
    engine.dispose()


def test_a_redis_that_is_frozen_is_an_error_in_time(own: tuple[Services, Supervisor]) -> None:
    with connect_redis(own[0].redis) as client:
        client.ping()
        with frozen(port_of(own[0].redis)):
            began = time.monotonic()
            with pytest.raises(redis.TimeoutError):
                client.get("x")
            assert time.monotonic() - began < 8


def test_final_reads_of_a_frozen_postgres_end_and_those_of_redis_are_there(
    own: tuple[Services, Supervisor], tmp_path: Path
) -> None:
    run_dir = make_parts(tmp_path)
    final = Final(
        seeded=Source(pattern="s-{n}"), rows=Source(sql="SELECT 1 AS number"), tokens=Source(redis_list="tokens")
    )
    reader = Reader(own[0], "s", 2)
    reader.count(final.rows)
    with frozen(port_of(own[0].postgres)):
        read = Ledger(final, reader, None, run_dir).read_final()
    assert read.at_ns is None
    assert (run_dir.final / "tokens.parquet").is_file()
    assert not (run_dir.final / "orders.parquet").exists()
    assert (run_dir.final / "orders.failed").read_text(encoding="utf-8").strip()
    reader.close()
