import contextlib
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
import redis

from loadtest.errors import UsageError
from loadtest.stack import Services
from loadtest.stack.external import Given, open_services, without_password
from loadtest.stack.process import Supervisor


@pytest.fixture
def unmarked(services: Services) -> Iterator[str]:
    """A database that does not say that it may be wiped."""
    with contextlib.closing(psycopg2.connect(services.postgres)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("CREATE DATABASE production")
            yield services.postgres.removesuffix("/postgres") + "/production"
            cursor.execute("DROP DATABASE production WITH (FORCE)")


def message(given: Given) -> str:
    with pytest.raises(UsageError) as error:
        given.check()
    assert "\n" not in str(error.value)
    return str(error.value)


def test_good_ones_pass(services: Services) -> None:
    Given(services.postgres, services.redis, services.broker).check()


@pytest.mark.parametrize("option", ["postgres", "redis", "broker"])
def test_one_that_does_not_answer_is_named_without_its_password(option: str, closed_port: int) -> None:
    scheme = {"postgres": "postgresql", "redis": "redis", "broker": "amqp"}[option]
    text = message(Given(**{option: f"{scheme}://user:geheim@127.0.0.1:{closed_port}/0"}))
    assert text.startswith(f"--{option} {scheme}://user:***@127.0.0.1:{closed_port}/0: does not answer")
    assert "geheim" not in text


@pytest.mark.parametrize("option", ["postgres", "redis", "broker"])
def test_another_kind_of_url_is_refused(option: str) -> None:
    assert "expected a URL that begins with" in message(Given(**{option: "http://127.0.0.1"}))


def test_a_database_that_is_not_marked_is_refused_until_it_is(unmarked: str) -> None:
    text = message(Given(postgres=unmarked))
    assert "not marked as a test sale" in text
    with contextlib.closing(psycopg2.connect(unmarked)) as connection:
        connection.autocommit = True
        connection.cursor().execute(text[text.index("COMMENT") :])
    Given(postgres=unmarked).check()


def test_what_is_not_given_is_embedded(services: Services, tmp_path: Path) -> None:
    with Supervisor(tmp_path) as supervisor, open_services(Given(postgres=services.postgres), supervisor) as opened:
        assert opened.postgres == services.postgres
        assert [process.name for process in supervisor.running()] == ["redis"]
        with redis.Redis.from_url(opened.broker) as client:
            assert client.ping()


def test_with_everything_given_nothing_is_started(services: Services, tmp_path: Path) -> None:
    given = Given(services.postgres, services.redis, services.broker)
    with Supervisor(tmp_path) as supervisor, open_services(given, supervisor) as opened:
        assert opened == services
        assert supervisor.running() == []


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://:p%40ss@h:1/0", "redis://:***@h:1/0"),
        ("postgresql://u@h/d", "postgresql://u@h/d"),
        ("amqp://u:u@h", "amqp://u:***@h"),
    ],
)
def test_a_password_is_never_shown(url: str, shown: str) -> None:
    assert without_password(url) == shown
