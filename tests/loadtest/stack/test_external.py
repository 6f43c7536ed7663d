import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg2
import pytest
import redis

from loadtest.errors import UsageError
from loadtest.stack import Services
from loadtest.stack.external import Given, open_services, with_broker, without_password
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


def given(option: str, url: str) -> Given:
    return Given(brokers=(url,)) if option == "broker" else Given(**{option: url})


def message(given: Given) -> str:
    with pytest.raises(UsageError) as error:
        given.check()
    assert "\n" not in str(error.value)
    return str(error.value)


def test_good_ones_pass(services: Services) -> None:
    Given(services.postgres, services.redis, (services.broker,)).check()


@pytest.mark.parametrize("option", ["postgres", "redis", "broker"])
def test_one_that_does_not_answer_is_named_without_its_password(option: str, closed_port: int) -> None:
    scheme = {"postgres": "postgresql", "redis": "redis", "broker": "amqp"}[option]
    text = message(given(option, f"{scheme}://user:geheim@127.0.0.1:{closed_port}/0"))
    assert text.startswith(f"--{option} {scheme}://user:***@127.0.0.1:{closed_port}/0: does not answer")
    assert "geheim" not in text


@pytest.mark.parametrize("option", ["postgres", "redis", "broker"])
def test_another_kind_of_url_is_refused(option: str) -> None:
    assert "expected a URL that begins with" in message(given(option, "http://127.0.0.1"))


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
    everything = Given(services.postgres, services.redis, (services.broker,))
    with Supervisor(tmp_path) as supervisor, open_services(everything, supervisor) as opened:
        assert opened == services
        assert supervisor.running() == []


@pytest.mark.parametrize("both", [False, True])
def test_each_kind_has_the_broker_that_was_given_for_it(both: bool, services: Services, tmp_path: Path) -> None:
    amqp = "amqp://127.0.0.1/here"
    told = Given(services.postgres, brokers=(amqp, services.broker) if both else (amqp,))
    with Supervisor(tmp_path) as supervisor, open_services(told, supervisor, ("rabbitmq", "redis")) as opened:
        assert with_broker(opened, told, "rabbitmq").broker == amqp
        found = with_broker(opened, told, "redis").broker
        assert found.startswith("redis://:")
        assert (found == services.broker) is both


def test_with_a_redis_and_a_rabbitmq_given_nothing_is_started(services: Services, tmp_path: Path) -> None:
    told = Given(services.postgres, services.redis, ("amqp://127.0.0.1",))
    with Supervisor(tmp_path) as supervisor, open_services(told, supervisor, ["rabbitmq"]) as opened:
        assert (opened.broker, supervisor.running()) == ("amqp://127.0.0.1", [])


def test_two_brokers_of_one_kind_are_refused(services: Services) -> None:
    assert "--broker: found two of one kind" in message(Given(brokers=(services.broker, services.broker)))


def test_a_vhost_that_nobody_may_make_is_refused(rabbitmq: str, monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = Given(brokers=(f"{rabbitmq}-not-there",))
    unknown.check()  # `prepare` may make it
    monkeypatch.setattr("shutil.which", lambda _: None)
    text = message(unknown)
    assert "refuses this user or vhost" in text
    assert "guest:***@" in text
    replace(unknown, broker_admin="http://127.0.0.1").check()


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
