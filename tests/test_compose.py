"""The compose file: valid after the Compose schema, safe, and its commands work as plain processes on real services.

There is no container engine in the tests. Each service's command and health check run here as they stand, with the names of
the other services turned into addresses of this machine.
"""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import tomllib
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import yaml

from loadtest.stack import Services
from loadtest.stack.embedded import free_port

ROOT = Path(__file__).parent.parent
COMPOSE = ROOT / "docker-compose.yml"
OURS = ("prepare", "api", "worker", "locust-master", "locust-worker")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
    return loaded


def test_it_is_valid_after_the_compose_schema() -> None:
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE)]
    done = subprocess.run(check, capture_output=True, text=True, check=False, encoding="utf-8")
    assert done.returncode == 0, done.stdout


def test_every_service_is_checked_pinned_and_closed_to_the_outside(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == {"postgres", "redis", "rabbitmq", *OURS}
    for name, service in compose["services"].items():
        tag = service["image"].partition(":")[2]
        assert tag[0].isdigit(), f"{name}: an image tag is pinned to a version"
        assert "healthcheck" in service or name == "prepare", name
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), f"{name}: {port} would be open to the outside"


def test_what_may_be_scaled_has_no_name_and_no_port_of_its_own(compose: dict[str, Any]) -> None:
    for name in ("worker", "locust-worker"):
        assert "container_name" not in compose["services"][name]
        assert "ports" not in compose["services"][name]


def test_the_shop_is_told_what_the_manifest_tells_it(compose: dict[str, Any]) -> None:
    manifest = tomllib.loads((ROOT / "target" / "shop.toml").read_text(encoding="utf-8"))
    assert set(compose["services"]["api"]["environment"]) == set(manifest["env"])


def test_its_queue_is_the_one_that_survives_the_loss_of_a_worker_and_of_a_server(compose: dict[str, Any]) -> None:
    told = compose["services"]["worker"]["environment"]
    assert (told["SHOP_QUEUE_TYPE"], told["SHOP_ACK"]) == ("quorum", "late")
    assert urllib.parse.urlsplit(told["SHOP_BROKER_URL"]).scheme == "amqp"


@pytest.fixture(scope="module")
def database(services: Services, compose: dict[str, Any]) -> Iterator[str]:
    """A database of its own, marked by the very statement that compose gives Postgres."""
    with contextlib.closing(psycopg2.connect(services.postgres)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("CREATE DATABASE shop")
            cursor.execute(compose["configs"]["mark"]["content"])
            yield services.postgres.removesuffix("/postgres") + "/shop"
            cursor.execute("DROP DATABASE shop WITH (FORCE)")


class Plain:
    """The services of the compose file as plain processes."""

    def __init__(
        self, compose: dict[str, Any], addresses: dict[str, str], environment: dict[str, str], logs: Path
    ) -> None:
        self._services = compose["services"]
        self._addresses = addresses
        self._environment = environment
        self._logs = logs

    def start(self, name: str) -> "subprocess.Popen[bytes]":
        """One more of a service."""
        service = self._services[name]
        env = {**os.environ, **service.get("environment", {})}
        env = {key: self._here(self._environment.get(key, value)) for key, value in env.items()}
        with (self._logs / f"{name}.log").open("ab") as log:
            return subprocess.Popen(self._argv(service["command"]), cwd=ROOT, env=env, stdout=log, stderr=log)

    def healthy(self, name: str) -> bool:
        kind, *command = self._services[name]["healthcheck"]["test"]
        assert kind in ("CMD", "CMD-SHELL")
        env = {
            **os.environ,
            **{
                k: self._here(self._environment.get(k, v))
                for k, v in self._services[name].get("environment", {}).items()
            },
        }
        if kind == "CMD-SHELL":
            env["HOSTNAME"] = socket.gethostname()
            python = f"{sys.executable} " + command[0].removeprefix("python ").replace("$$", "$")
            return (
                subprocess.run(["sh", "-c", python], cwd=ROOT, env=env, capture_output=True, check=False).returncode
                == 0
            )
        return subprocess.run(self._argv(command), cwd=ROOT, env=env, capture_output=True, check=False).returncode == 0

    def log(self, name: str) -> str:
        return (self._logs / f"{name}.log").read_text(errors="replace", encoding="utf-8")

    def _argv(self, command: list[str]) -> list[str]:
        return [sys.executable if part == "python" else self._here(part) for part in command]

    def _here(self, text: str) -> str:
        for there, here in self._addresses.items():
            text = text.replace(there, here)
        return text


def wait(for_what: Callable[[], bool], seconds: float, says: Callable[[], str]) -> None:
    deadline = time.monotonic() + seconds
    while not for_what():
        assert time.monotonic() < deadline, says()
        time.sleep(0.2)


@pytest.mark.alone
def test_its_commands_sell_out_from_the_locust_page(
    compose: dict[str, Any], services: Services, database: str, rabbitmq: str, tmp_path: Path
) -> None:
    api, web, master = free_port(), free_port(), free_port()
    plain = Plain(
        compose,
        {
            "0.0.0.0": "127.0.0.1",
            "8000": str(api),
            "8089": str(web),
            "5557": str(master),
            "http://api:": "http://127.0.0.1:",
            "'locust-master'": "'127.0.0.1'",
        },
        {
            "SHOP_DATABASE_URL": database,
            "SHOP_REDIS_URL": services.redis,
            "SHOP_BROKER_URL": rabbitmq,
            "SHOP_SALE": "compose",
            "SHOP_STOCK": "40",
        },
        tmp_path,
    )
    compose["services"]["locust-master"]["command"] += [
        "--web-port",
        str(web),
        "--web-host",
        "127.0.0.1",
        "--master-bind-port",
        str(master),
    ]
    worker_command = compose["services"]["locust-worker"]["command"]
    worker_command[worker_command.index("locust-master")] = "127.0.0.1"
    worker_command += ["--master-port", str(master)]
    for name in ("locust-master", "locust-worker"):
        compose["services"][name]["command"] += ["--sale", "compose"]

    assert plain.start("prepare").wait(60) == 0, plain.log("prepare")
    running = []
    try:
        for name in ("api", "worker", "locust-master", "locust-worker", "locust-worker"):
            running.append(plain.start(name))
            wait(lambda name=name: plain.healthy(name), 60, lambda name=name: plain.log(name))  # type: ignore[misc]
        # A worker is well before it has reported to its master, and a master without workers starts nothing.
        wait(
            lambda: len(json.loads(get(f"http://127.0.0.1:{web}/stats/requests"))["workers"]) == 2,
            60,
            lambda: plain.log("locust-master"),
        )
        form = urllib.parse.urlencode(
            {"user_count": 120, "spawn_rate": 120, "host": f"http://127.0.0.1:{api}"}
        ).encode()
        urllib.request.urlopen(f"http://127.0.0.1:{web}/swarm", data=form, timeout=10).read()
        with contextlib.closing(psycopg2.connect(database)) as connection:
            connection.autocommit = True
            wait(lambda: rows(connection) == 40, 60, lambda: "\n".join(map(plain.log, OURS)))
    finally:
        for process in reversed(running):
            process.terminate()
        for process in reversed(running):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait()


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=5) as response:
        body: bytes = response.read()
        return body


def rows(connection: Any) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM orders WHERE sale = 'compose'")
        return int(cursor.fetchone()[0])
