"""A pooler between us and Postgres, such as PgBouncer: it refuses options when a client connects, and may hand each statement to another connection."""

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import psycopg2.extensions
import pytest
import sqlalchemy as sa

import loadtest.ledger.connections as connections
from loadtest.ledger.connections import connect_postgres
from loadtest.ledger.sources import Reader
from loadtest.manifest.final import Source
from loadtest.stack import Services
from loadtest.stack.external import Given
from loadtest.stack.holds import holding
from target.config import Config
from target.stores import database

ALLOWED = {"user", "database", "application_name", "client_encoding", "replication"}


class Pooler(socketserver.ThreadingTCPServer):
    """Passes everything on to Postgres, but refuses what PgBouncer refuses in a startup message."""

    daemon_threads = True

    def __init__(self, host: str, port: int) -> None:
        super().__init__(("127.0.0.1", 0), Session)
        self.behind = host, port
        self.refused: list[str] = []


class Session(socketserver.BaseRequestHandler):
    server: Pooler

    def handle(self) -> None:
        length = self.request.recv(4, socket.MSG_WAITALL)
        body = self.request.recv(int.from_bytes(length, "big") - 4, socket.MSG_WAITALL)
        if body[:4] == (80877103).to_bytes(4, "big"):  # asks for TLS
            self.request.sendall(b"N")
            length = self.request.recv(4, socket.MSG_WAITALL)
            body = self.request.recv(int.from_bytes(length, "big") - 4, socket.MSG_WAITALL)
        names = set(body[4:].rstrip(b"\0").decode().split("\0")[::2])
        if names - ALLOWED:
            self.server.refused.extend(names - ALLOWED)
            return
        with socket.create_connection(self.server.behind) as postgres:
            postgres.sendall(length + body)
            back = threading.Thread(target=copy, args=(postgres, self.request), daemon=True)
            back.start()
            copy(self.request, postgres)
            postgres.shutdown(socket.SHUT_RDWR)
            back.join(5)


def copy(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        return


@pytest.fixture
def pooler(services: Services) -> Iterator[tuple[str, Pooler]]:
    """The address of the database behind it, and the pooler."""
    parts = urlsplit(services.postgres)
    assert parts.hostname
    assert parts.port
    with Pooler(parts.hostname, parts.port) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield services.postgres.replace(f":{parts.port}/", f":{server.server_address[1]}/"), server
        server.shutdown()
        assert server.refused == []


def test_the_pooler_refuses_options(services: Services, pooler: tuple[str, Pooler]) -> None:
    url, server = pooler
    with pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(url, options="-c statement_timeout=1")
    assert server.refused == ["options"]
    server.refused.clear()


def test_everything_of_ours_reads_through_it(pooler: tuple[str, Pooler], tmp_path: Path) -> None:
    url, _ = pooler
    Given(postgres=url).check()
    with closing(Reader(Services(url, "redis://unused", ""), "sale", 1)) as reader:
        assert list(reader.numbers(Source(sql="SELECT 'n-1' AS number WHERE :sale = 'sale'"))) == ["n-1"]
    with holding({"--postgres": url}, tmp_path):
        pass


def test_the_shop_connects_through_it_with_its_time_out(pooler: tuple[str, Pooler]) -> None:
    config = Config(pooler[0], "redis://unused", "redis://unused", "sale", 1, timeout_s=2)
    engine = database.connect(config, 1)
    with engine.connect() as connection:
        assert connection.execute(sa.text("SHOW statement_timeout")).scalar_one() == "10s"
    engine.dispose()


def test_each_statement_has_its_time_and_leaves_nothing_in_the_connection(
    pooler: tuple[str, Pooler], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "STATEMENT_S", 0.2)
    engine = connect_postgres(pooler[0])
    with engine.connect() as connection:
        with pytest.raises(sa.exc.OperationalError, match="statement timeout"):
            connection.execute(sa.text("SELECT pg_sleep(20)"))
        raw = connection.connection.driver_connection
        assert raw is not None
        with psycopg2.extensions.cursor(raw) as plain:
            plain.execute("SHOW statement_timeout")
            assert plain.fetchone() == ("0",)
    engine.dispose()
