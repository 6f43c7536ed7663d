"""Fixtures for every test: real services, and a port that refuses."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from loadtest.stack import Services
from loadtest.stack.embedded import embedded, free_port
from tests.needs import CHROMIUM, listens, need, need_program
from tests.stalls import Stalls, watching

pytest_plugins = ["tests.outcomes"]

# Most tests have the time that others leave: how long one example takes says nothing.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

# Nothing that the browser wants to know from elsewhere.
QUIET = (
    "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
)  # fmt: skip


@pytest.fixture(scope="session")
def services() -> Iterator[Services]:
    """Embedded Postgres, Redis and broker, one set for the whole session."""
    with embedded() as running:
        yield running


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[str]:
    """The RabbitMQ of this machine, in a vhost of our own."""
    need(listens(5672), "a RabbitMQ on 127.0.0.1:5672", "apt install rabbitmq-server, and start it")
    program = need_program("rabbitmqctl", package="rabbitmq-server")
    obeys = (
        os.geteuid() == 0 or subprocess.run([program, "-q", "ping"], capture_output=True, check=False).returncode == 0
    )
    need(obeys, "a user whom rabbitmqctl obeys", "run the tests as root")
    vhost = f"loadtest-{os.getpid()}"
    rabbitmqctl("add_vhost", vhost)
    try:
        rabbitmqctl("set_permissions", "-p", vhost, "guest", ".*", ".*", ".*")
        yield f"amqp://guest:guest@127.0.0.1:5672/{vhost}"
    finally:
        rabbitmqctl("delete_vhost", vhost)


@pytest.fixture(scope="session")
def mysql() -> Iterator[str]:
    """The MariaDB or MySQL of this machine, in a database of our own that is marked as a test sale."""
    import pymysql

    how = "apt install mariadb-server, start it, and ALTER USER root@localhost IDENTIFIED BY ''"
    need(listens(3306), "a MariaDB on 127.0.0.1:3306", how)
    try:
        connection = pymysql.connect(host="127.0.0.1", user="root", autocommit=True)
    except pymysql.Error as error:
        need(False, f"a MariaDB that root may use without a password ({error})", how)
        raise
    name = f"loadtest_{os.getpid()}"
    with connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
        cursor.execute(f"CREATE TABLE {name}.test_sale (marked INT)")
        try:
            yield f"mysql://root@127.0.0.1:3306/{name}"
        finally:
            cursor.execute(f"DROP DATABASE {name}")


@pytest.fixture(scope="session")
def management(rabbitmq: str) -> str:
    """The management of that RabbitMQ, as one who may do everything."""
    need(listens(15672), "RabbitMQ's management plugin", "rabbitmq-plugins enable rabbitmq_management")
    return "http://guest:guest@127.0.0.1:15672"


def rabbitmqctl(*arguments: str) -> None:
    """Run it, and say what it said when it fails."""
    done = subprocess.run(
        ["rabbitmqctl", "-q", *arguments], capture_output=True, text=True, check=False, encoding="utf-8"
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def closed_port() -> int:
    """A port of 127.0.0.1 on which nobody listens."""
    return free_port()


@pytest.fixture(scope="session")
def root() -> Path:
    """The top of the source tree."""
    return Path(__file__).parent.parent


# Not for the session: while Playwright runs, its event loop does, and nobody else may have one in this thread.
@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """The Chromium of this machine."""
    from playwright.sync_api import sync_playwright

    path = need_program(*CHROMIUM, package="chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", *QUIET])
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def stalls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stalls]:
    """How long the machine itself stood still."""
    with watching(tmp_path_factory.mktemp("stalls")) as seen:
        yield seen
