"""Fixtures for every test: real services, and a port that refuses."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, settings

from loadtest.stack import Services
from loadtest.stack.embedded import embedded, free_port
from tests.stalls import Stalls, watching

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
    """The RabbitMQ of this machine, in a vhost of our own. Where there is none: skipped, and failed in CI."""
    try:
        socket.create_connection(("127.0.0.1", 5672), 1).close()
        assert shutil.which("rabbitmqctl")
    except (OSError, AssertionError):
        reason = "these tests need a RabbitMQ on 127.0.0.1:5672, and rabbitmqctl"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    vhost = f"loadtest-{os.getpid()}"
    rabbitmqctl("add_vhost", vhost)
    try:
        rabbitmqctl("set_permissions", "-p", vhost, "guest", ".*", ".*", ".*")
        yield f"amqp://guest:guest@127.0.0.1:5672/{vhost}"
    finally:
        rabbitmqctl("delete_vhost", vhost)


@pytest.fixture(scope="session")
def management(rabbitmq: str) -> str:
    """The management of that RabbitMQ, as one who may do everything."""
    try:
        socket.create_connection(("127.0.0.1", 15672), 1).close()
    except OSError:
        reason = f"this test needs the management of {urlsplit(rabbitmq).hostname}: rabbitmq-plugins enable rabbitmq_management"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
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
    """Chromium. Without one the tests are skipped here, and fail where CI is set."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        path = None
    if path is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("needs playwright and a chromium on PATH")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", *QUIET])
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def stalls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stalls]:
    """How long the machine itself stood still."""
    with watching(tmp_path_factory.mktemp("stalls")) as seen:
        yield seen
