import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg2
import pytest
import redis

from loadtest.errors import UsageError
from loadtest.stack import Services, holds
from loadtest.stack.external import Given, open_services
from loadtest.stack.holds import KEY, holding, lock_of, refuse_held
from loadtest.stack.process import Supervisor
from tests.waiting import eventually

HOLDER = """
import pathlib, sys, time
from loadtest.stack.holds import holding
with holding({sys.argv[1]: sys.argv[1]}, pathlib.Path("/first/run")):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture(params=["postgres", "redis", "rabbitmq"])
def url(request: pytest.FixtureRequest) -> str:
    """A service of each kind, with a database number of these tests' own."""
    if request.param == "rabbitmq":
        return str(request.getfixturevalue("rabbitmq"))
    services: Services = request.getfixturevalue("services")
    return services.postgres if request.param == "postgres" else services.redis.removesuffix("/0") + "/9"


@contextmanager
def another_run(url: str) -> Iterator["subprocess.Popen[str]"]:
    popen = subprocess.Popen([sys.executable, "-c", HOLDER, url], stdout=subprocess.PIPE, text=True, encoding="utf-8")
    try:
        assert popen.stdout is not None
        assert popen.stdout.readline() == "held\n"
        yield popen
    finally:
        popen.kill()
        popen.wait()


def free(url: str) -> bool:
    try:
        refuse_held({url: url})
    except UsageError:
        return False
    return True


def test_the_second_run_is_refused_with_the_name_of_the_first(url: str, tmp_path: Path) -> None:
    with another_run(url) as first:
        for attempt in (lambda: refuse_held({"--it": url}), lambda: holding({"--it": url}, tmp_path).__enter__()):
            with pytest.raises(UsageError) as error:
                attempt()
            text = str(error.value)
            assert text.startswith(
                f"--it: another run holds it (process {first.pid} on {os.uname().nodename}, /first/run, since 20"
            )
            assert text.endswith("wait until that one is over, or give a service of this run's own")
        first.kill()
        first.wait()
        eventually(lambda: free(url), 10)  # it lapses by itself


def test_one_run_may_look_again_at_what_it_holds_and_leaves_it_free(url: str, tmp_path: Path) -> None:
    with holding({"--it": url}, tmp_path):
        refuse_held({"--it": url})  # as each cell of a matrix does
        assert not free(url), "another run would not be refused"
    assert free(url)
    with holding({"--it": url}, tmp_path):
        pass


def test_a_mysql_is_held_by_its_database(mysql: str, tmp_path: Path) -> None:
    """Its lock has no room for a name: whoever comes second is told where the first connects from."""
    with another_run(mysql) as first:
        with pytest.raises(UsageError, match=r"--it: another run holds it \(its connection \d+, from \S+\), and two"):
            refuse_held({"--it": mysql})
        first.kill()
        first.wait()
        eventually(lambda: free(mysql), 10)
    with holding({"--it": mysql}, tmp_path):
        refuse_held({"--it": mysql})
        assert not free(mysql), "another run would not be refused"
    assert free(mysql)


def test_it_is_kept_for_as_long_as_the_run_lasts(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holds, "RENEW_S", 0.1)
    monkeypatch.setattr(holds, "LEASE_S", 1.5)
    monkeypatch.setattr(holds, "HEARTBEAT_S", 1)
    with holding({"--it": url}, tmp_path):
        for _ in range(3):
            with pytest.raises(AssertionError):
                eventually(lambda: free(url), 1)


def test_what_a_flush_or_a_restart_takes_away_is_taken_again(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holds, "RENEW_S", 0.1)
    address = services.redis.removesuffix("/0") + "/9"
    with redis.Redis.from_url(address) as client, holding({"r": address, "p": services.postgres}, tmp_path):
        client.flushdb()  # as a manifest's `prepare` may do
        eventually(lambda: client.exists(KEY) == 1)
        with closing(psycopg2.connect(services.postgres)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE objid = %s", (holds.LOCK,))
            assert cursor.fetchone() == (1,)
        eventually(lambda: not free(services.postgres), 10)
    assert free(address)
    assert free(services.postgres)


@pytest.mark.parametrize("scheme", ["postgresql", "redis", "amqp"])
def test_a_service_that_does_not_answer_now_stops_no_run(scheme: str, closed_port: int, tmp_path: Path) -> None:
    with holding({"--it": f"{scheme}://127.0.0.1:{closed_port}/1"}, tmp_path):
        pass


def test_databases_of_one_server_are_held_apart(services: Services, tmp_path: Path) -> None:
    base = services.redis.removesuffix("/0")
    with holding({"a": f"{base}/9"}, tmp_path):
        assert free(f"{base}/10")


def test_given_services_are_held_while_they_are_open_and_embedded_ones_are_not(
    services: Services, tmp_path: Path
) -> None:
    given = Given(postgres=services.postgres)
    with Supervisor(tmp_path / "logs") as supervisor, open_services(given, supervisor) as opened:
        assert not free(services.postgres)
        assert free(opened.redis)
        with (
            Supervisor(tmp_path / "second" / "logs") as second,
            pytest.raises(UsageError, match=str(tmp_path)),
            open_services(given, second),
        ):
            pytest.fail("two runs on one database")
    assert free(services.postgres)


def test_a_note_with_quotes_is_no_statement(services: Services) -> None:
    lock, other = lock_of(services.postgres), lock_of(services.postgres)
    try:
        assert lock.take("it's \\ a 'note' 100 %s") == ""
        assert other.take("second") == "it?s ? a ?note? 100 %s"
    finally:
        lock.release()
        other.release()
