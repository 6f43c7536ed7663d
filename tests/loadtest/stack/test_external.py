import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import pymysql
import pytest
import redis

from loadtest.errors import UsageError
from loadtest.stack import Services
from loadtest.stack.embedded import embedded_redis
from loadtest.stack.external import Given, checked, open_services, plainly, with_broker, without_password
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


def test_a_mysql_is_marked_by_a_table_or_by_its_comment(mysql: str, closed_port: int) -> None:
    Given(mysql=mysql).check()
    with pymysql.connect(host="127.0.0.1", user="root", autocommit=True) as server, server.cursor() as cursor:
        name = f"{mysql.rpartition('/')[2]}_production"
        unmarked = f"mysql+pymysql://root@127.0.0.1:3306/{name}"
        cursor.execute(f"CREATE DATABASE {name}")
        try:
            text = message(Given(mysql=unmarked))
            assert text.startswith(f"--mysql {unmarked}: the database is not marked as a test sale")
            cursor.execute(text.partition("say so there: ")[2])
            Given(mysql=unmarked).check()
        finally:
            cursor.execute(f"DROP DATABASE {name}")
    assert "does not answer (" in message(Given(mysql=unmarked))
    away = message(Given(mysql=f"mysql://shop:geheim@127.0.0.1:{closed_port}/shop"))
    assert away.startswith(f"--mysql mysql://shop:***@127.0.0.1:{closed_port}/shop: does not answer")
    assert away.endswith("start it, or give another")
    assert "it names no database; expected such as" in message(Given(mysql="mysql://root@127.0.0.1"))
    assert "expected a URL that begins with mysql:// or mariadb://" in message(Given(mysql="postgresql://127.0.0.1/x"))


def test_a_given_mysql_is_among_the_services(services: Services, mysql: str, tmp_path: Path) -> None:
    told = Given(services.postgres, services.redis, (services.broker,), mysql=mysql)
    with Supervisor(tmp_path) as supervisor, open_services(told, supervisor) as opened:
        assert opened == replace(services, mysql=mysql)


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


def test_a_postgres_that_nobody_names_is_not_started(services: Services, tmp_path: Path) -> None:
    told = Given(redis=services.redis, brokers=(services.broker,))
    with Supervisor(tmp_path) as supervisor, open_services(told, supervisor, postgres=False) as opened:
        assert (opened.postgres, supervisor.running()) == ("", [])
    told = Given(services.postgres, services.redis, (services.broker,))
    with Supervisor(tmp_path) as supervisor, open_services(told, supervisor, postgres=False) as opened:
        assert opened.postgres == services.postgres


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
        ("redis://h/0?password=geheim", "redis://h/0?password=***"),
        (
            "postgresql://h/d?user=u&password=ge%20heim&sslmode=require",
            "postgresql://h/d?user=u&password=***&sslmode=require",
        ),
        ("postgresql://h/d?sslpassword=geheim#x", "postgresql://h/d?sslpassword=***#x"),
        ("redis://h/0?PASSWORD=ge@heim", "redis://h/0?PASSWORD=***"),
        ("redis://:ge/heim@h:1/0", "redis://:***@h:1/0"),
        ("redis://:ge@heim#1@h:1/0", "redis://:***@h:1/0"),
        ("redis://:geheim@[::1", "redis://:***@[::1"),
        ("host=h user=u password='ge heim' dbname=d", "host=h user=u password=*** dbname=d"),
        ("--redis=redis://:geheim@h/0", "--redis=redis://:***@h/0"),
        ("unix:///var/run/redis.sock", "unix:///var/run/redis.sock"),
        ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
    ],
)
def test_a_password_is_never_shown(url: str, shown: str) -> None:
    assert without_password(url) == shown


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("redis://h/0?password=ge%2Fheim", "redis://:ge%2Fheim@h/0"),
        ("redis://h:1/0?socket_timeout=3&password=ge@heim", "redis://:ge%40heim@h:1/0?socket_timeout=3"),
        ("postgresql://u@h/d?password=p&sslmode=require", "postgresql://u:p@h/d?sslmode=require"),
        ("postgresql://h/d?user=a%20b&password=p", "postgresql://a%20b:p@h/d"),
        ("amqp://u:old@h/v?password=new", "amqp://u:new@h/v"),
        ("redis://:p@h/0", "redis://:p@h/0"),
        ("redis://[::1", "redis://[::1"),
    ],
)
def test_a_password_in_the_query_moves_to_where_every_library_masks_it(url: str, plain: str) -> None:
    assert plainly(url) == plain


def test_a_redis_with_its_password_in_the_query_is_reached(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as supervisor, embedded_redis(supervisor) as url:
        password = urlsplit(url).password
        asked = url.replace(f":{password}@", "") + f"?password={password}"
        given("redis", plainly(asked)).check()
        assert password is not None
        assert password not in message(given("redis", asked.replace(password, f"{password}x")))


@pytest.mark.parametrize("option", ["redis", "postgres", "broker", "broker-admin"])
@pytest.mark.parametrize("url", ["redis://[::1", "http://[x]/", "amqp://u:geheim@]"])
def test_what_is_no_url_is_told_in_one_line(option: str, url: str) -> None:
    with pytest.raises(UsageError, match=rf"^--{option} .*: not a URL: ") as error:
        checked(option, url)
    assert "geheim" not in str(error.value)
