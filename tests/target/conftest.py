"""A shop to test: real services, a sale of its own for each test, HTTP without a server, workers in processes."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg2
import pytest
import redis
import sqlalchemy as sa
from starlette.applications import Starlette

from loadtest.stack import Services
from target.api.app import create_app
from target.config import Config
from target.queue.backlog import purge
from target.schemes import open_scheme
from target.stores import claims, database
from target.stores.claims import Keys
from tests.waiting import eventually

DATABASE = "shop_test"
SHOP_DB, BROKER_DB = 5, 6
T = TypeVar("T")


@pytest.fixture(scope="session")
def services(request: pytest.FixtureRequest) -> Services:
    """Given by LOADTEST_TEST_POSTGRES and LOADTEST_TEST_REDIS, else embedded. The shop has a database and Redis numbers of its own."""
    postgres, address = os.environ.get("LOADTEST_TEST_POSTGRES"), os.environ.get("LOADTEST_TEST_REDIS")
    if not (postgres and address):
        embedded: Services = request.getfixturevalue("embedded_services")
        postgres, address = postgres or embedded.postgres, address or embedded.redis
    create_database(postgres)
    return Services(with_path(postgres, DATABASE), with_path(address, str(SHOP_DB)), with_path(address, str(BROKER_DB)))


@pytest.fixture(scope="session")
def embedded_services() -> Iterator[Services]:
    """Started only where something is not given."""
    from loadtest.stack.embedded import embedded

    with embedded() as running:
        yield running


def create_database(url: str) -> None:
    """The test database, marked as one that may be wiped."""
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            with suppress(psycopg2.errors.DuplicateDatabase):
                cursor.execute(f"CREATE DATABASE {DATABASE}")
            cursor.execute(f"COMMENT ON DATABASE {DATABASE} IS 'test sale'")


def with_path(url: str, path: str) -> str:
    """`url` with another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{path}"))


@pytest.fixture
def config(services: Services) -> Iterator[Config]:
    """A sale of 20 units that nobody else sells, not prepared yet."""
    made = Config(
        database_url=services.postgres, redis_url=services.redis, broker_url=services.broker,
        sale=f"t{uuid4().hex[:8]}", stock=20, dispatch="inline", db_pool=8, timeout_s=2.0,
    )  # fmt: skip
    yield made
    with claims.connect(made) as client:
        client.delete(*Keys.of(made.sale).all())


@pytest.fixture
def prepare() -> Callable[[Config], Config]:
    """Makes the sale of a configuration ready, and gives it back."""

    def prepared(config: Config) -> Config:
        purge(config)
        open_scheme(config).prepare()
        return config

    return prepared


@pytest.fixture
def engine(config: Config) -> Iterator[sa.Engine]:
    """The test's own look into the database."""
    made = database.connect(config, 4)
    yield made
    made.dispose()


@pytest.fixture
def store(config: Config) -> Iterator[redis.Redis]:
    """The test's own look into Redis."""
    with claims.connect(config) as client:
        yield client


@dataclass
class Rows:
    """The rows of one sale."""

    engine: sa.Engine
    sale: str
    table: str = "orders"

    def all(self) -> list[tuple[str, str]]:
        """Number and buyer, in the order of the numbers."""
        query = f"SELECT number, buyer FROM {self.table} WHERE sale = :sale ORDER BY number"
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(query), {"sale": self.sale})]

    def times(self) -> list[float]:
        """When each was written, in seconds, ascending."""
        query = "SELECT extract(epoch FROM created_at)::float8 FROM orders WHERE sale = :sale ORDER BY 1"
        with self.engine.connect() as connection:
            return list(connection.scalars(sa.text(query), {"sale": self.sale}))


@pytest.fixture
def rows(engine: sa.Engine, config: Config) -> Rows:
    """The rows of the test's sale."""
    return Rows(engine, config.sale)


@dataclass(frozen=True)
class Answer:
    """What the shop answered."""

    status: int
    type: str
    body: dict[str, Any]


class Browser:
    """Asks an ASGI application, on one event loop, without a server between."""

    def __init__(self, app: Starlette) -> None:
        self._app = app
        self._runner = asyncio.Runner()

    def get(self, path: str) -> Answer:
        return self._runner.run(self._ask("GET", path, b""))

    def post(self, path: str, body: object) -> Answer:
        return self._runner.run(self._ask("POST", path, body))

    def post_all(self, path: str, bodies: list[object]) -> list[Answer]:
        """All at once."""

        async def together() -> list[Answer]:
            return await asyncio.gather(*[self._ask("POST", path, body) for body in bodies])

        return self._runner.run(together())

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(coroutine)

    def close(self) -> None:
        self._runner.close()

    async def _ask(self, method: str, target: str, body: object) -> Answer:
        path, _, query = target.partition("?")
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        # In two parts, as a slow network would bring it.
        parts = [
            {"type": "http.request", "body": data[:10], "more_body": True},
            {"type": "http.request", "body": data[10:], "more_body": False},
        ]
        said: list[Any] = []

        async def receive() -> dict[str, Any]:
            return parts.pop(0)

        async def send(message: Any) -> None:
            said.append(message)

        scope = {
            "type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": query.encode(),
            "root_path": "", "headers": [], "http_version": "1.1", "scheme": "http",
        }  # fmt: skip
        await self._app(scope, receive, send)
        headers = dict(said[0]["headers"])
        answer = b"".join(message.get("body", b"") for message in said[1:])
        kind = headers.get(b"content-type", b"").decode()
        return Answer(said[0]["status"], kind, json.loads(answer) if "json" in kind else {})


@pytest.fixture
def browse() -> Iterator[Callable[[Config], Browser]]:
    """Opens the shop of a configuration."""
    opened: list[Browser] = []

    def browser(config: Config) -> Browser:
        opened.append(Browser(create_app(config)))
        return opened[-1]

    yield browser
    for each in opened:
        each.close()


class Wire:
    """A TCP proxy in front of `url`. Cut, it resets everybody and refuses; muted, it takes requests but loses the answers;
    one may be lost alone."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._server = (parts.hostname or "", parts.port or 0)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.muted = self.losing_one = False
        self._sockets: list[socket.socket] = []
        login = parts.netloc.rpartition("@")
        self.url = urlunsplit(parts._replace(netloc=f"{login[0]}{login[1]}127.0.0.1:{self._listener.getsockname()[1]}"))
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """End every connection, and take no new one."""
        for each in (self._listener, *self._sockets):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client = self._listener.accept()[0]
                server = socket.create_connection(self._server)
                self._sockets += [client, server]
                threading.Thread(target=self._pump, args=(client, server, False), daemon=True).start()
                threading.Thread(target=self._pump, args=(server, client, True), daemon=True).start()

    def _loses(self) -> bool:
        one, self.losing_one = self.losing_one, False
        return one or self.muted

    def _pump(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if not (answers and self._loses()):
                    sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def wire() -> Iterator[Callable[[str], Wire]]:
    """Puts a wire in front of a URL."""
    wires: list[Wire] = []

    def made(url: str) -> Wire:
        wires.append(Wire(url))
        return wires[-1]

    yield made
    for each in wires:
        each.cut()


def environment(config: Config) -> dict[str, str]:
    """The environment of a shop process."""
    names = {"limiter": "SHOP_LIMITER"}
    told = {
        names.get(key, f"SHOP_{key.upper()}"): str(value) for key, value in asdict(config).items() if value is not None
    }
    return {**os.environ, **told}


# A worker whose batches wait longer for their orders: what is in one does not depend on how fast this machine is just now.
GATHERING = """
import celery
celery.maybe_patch_concurrency()
from target.limiter import consumer as limiter
limiter.GATHER_S = 1.0
from celery.__main__ import main
main()
"""


@contextmanager
def running_worker(
    config: Config, log: Path, pool: str = "prefork", concurrency: int = 2, gathering: bool = False
) -> Iterator[subprocess.Popen[bytes]]:
    """A Celery worker, as the manifest starts it, until the block ends. It is killed then: some pools take 6 s to stop."""
    command = [
        sys.executable, *(("-c", GATHERING) if gathering else ("-m", "celery")), "-A", "target.worker.celery", "worker",
        "-n", f"{log.stem}-{config.sale}@%h", "-P", pool, "-c", str(concurrency), "-l", "warning",
        "--without-gossip", "--without-mingle", "--without-heartbeat",
    ]  # fmt: skip
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=environment(config), stdout=out, stderr=out, start_new_session=True)
        try:
            eventually(lambda: "worker ready" in log.read_text(encoding="utf-8") or process.poll() is not None, 30)
            assert process.poll() is None, log.read_text(encoding="utf-8")
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture
def worker(tmp_path: Path) -> Callable[[Config], Any]:
    """A context manager that runs a worker."""
    return lambda config, name="worker", **how: running_worker(config, tmp_path / f"{name}.log", **how)


@pytest.fixture
def queued(config: Config) -> Config:
    """The test's sale, sold through the queue."""
    return replace(config, dispatch="queued", limiter="none")


@pytest.fixture
def shop_environment() -> Callable[[Config], dict[str, str]]:
    """See `environment`."""
    return environment


@pytest.fixture
def unmarked(services: Services) -> Iterator[str]:
    """The URL of a database that somebody may need."""
    with closing(psycopg2.connect(services.postgres)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute('DROP DATABASE IF EXISTS "shop-unmarked"')
            cursor.execute('CREATE DATABASE "shop-unmarked"')
            yield with_path(services.postgres, "shop-unmarked")
            cursor.execute('DROP DATABASE "shop-unmarked"')
