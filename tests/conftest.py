"""Fixtures for every test: real services, and a port that refuses."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from loadtest.stack import Services
from loadtest.stack.embedded import embedded, free_port


@pytest.fixture(scope="session")
def services() -> Iterator[Services]:
    """Embedded Postgres, Redis and broker, one set for the whole session."""
    with embedded() as running:
        yield running


@pytest.fixture
def closed_port() -> int:
    """A port of 127.0.0.1 on which nobody listens."""
    return free_port()


@pytest.fixture(scope="session")
def root() -> Path:
    """The top of the source tree."""
    return Path(__file__).parent.parent
