"""Creates the shop's user and vhost in RabbitMQ if they do not exist."""

import base64
import json
import shutil
import subprocess
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote, unquote, urlsplit

import amqp
from kombu import Connection

from target.config import Config
from target.errors import NoRoom

TIMEOUT_S = 5
CONTROL_S = 20
NOT_FOUND = 404
LOCAL = ("localhost", "127.0.0.1", "::1")
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Room:
    """The user, password and vhost in a broker's URL. *Warning:* never log it: it holds a password."""

    user: str
    password: str
    vhost: str

    @classmethod
    def of(cls, broker_url: str) -> "Room":
        """Those of ``amqp://user:password@host/vhost``; ``guest``, ``guest`` and ``/`` where they are left out."""
        parts = urlsplit(broker_url)
        return cls(
            unquote(parts.username or "guest"), unquote(parts.password or "guest"), unquote(parts.path[1:]) or "/"
        )


class Maker(Protocol):
    """A way to create users and vhosts."""

    def make(self, room: Room) -> None:
        """Create the user and the vhost where they do not exist, and give the user all permissions in the vhost.

        Raises:
            NoRoom: that failed; the message says why.
        """


def make_room(config: Config) -> None:
    """Make sure that the user of the broker's URL can open its vhost; create both if RabbitMQ refuses. Does nothing on Redis.

    A new user gets the tag "management", the weakest that may read a queue's statistics over the management API.

    Raises:
        NoRoom: RabbitMQ refuses them, and they cannot be created.
    """
    if not config.broker_url.startswith("amqp") or (said := _refusal(config)) is None:
        return
    room = Room.of(config.broker_url)
    maker = _maker(config)
    if maker is None:
        raise NoRoom(
            f"RabbitMQ refuses user {room.user!r} or vhost {room.vhost!r} ({said}), and nobody may make them: "
            "set SHOP_RABBITMQ_ADMIN_URL to http://user:password@host:15672 of its management, or make them yourself (docs/brokers.md)"
        )
    maker.make(room)
    if (said := _refusal(config)) is not None:
        raise NoRoom(f"RabbitMQ refuses user {room.user!r} in vhost {room.vhost!r}, which were just made: {said}")


def _refusal(config: Config) -> str | None:
    """Why RabbitMQ refuses the user or the vhost; None if it accepts both. Other failures are raised unchanged."""
    try:
        with Connection(config.broker_url, connect_timeout=config.timeout_s) as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0, timeout=config.timeout_s)
    except (amqp.AccessRefused, amqp.NotAllowed) as error:
        return str(error)
    return None


def _maker(config: Config) -> Maker | None:
    if config.rabbitmq_admin_url:
        return Management(config.rabbitmq_admin_url)
    if urlsplit(config.broker_url).hostname in LOCAL and shutil.which("rabbitmqctl"):
        return Control()
    return None


class Management:
    """Creates them over HTTP, through RabbitMQ's management API."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        login, _, host = parts.netloc.rpartition("@")
        self._address = f"{parts.scheme}://{host}"
        self._key = base64.b64encode(unquote(login).encode()).decode()

    def make(self, room: Room) -> None:
        """See `Maker.make`."""
        vhost, user = quote(room.vhost, safe=""), quote(room.user, safe="")
        self._put(f"/api/vhosts/{vhost}", {})
        # An existing user keeps its password; a wrong one in the broker's URL stays refused.
        if not self._ask("GET", f"/api/users/{user}"):
            self._put(f"/api/users/{user}", {"password": room.password, "tags": "management"})
        self._put(f"/api/permissions/{vhost}/{user}", {"configure": ".*", "write": ".*", "read": ".*"})

    def _put(self, path: str, body: dict[str, str]) -> None:
        if not self._ask("PUT", path, body):
            raise NoRoom(f"SHOP_RABBITMQ_ADMIN_URL: {self._address}{path}: not found; expected RabbitMQ's management")

    def _ask(self, method: str, path: str, body: dict[str, str] | None = None) -> bool:
        """Send one request; False if the answer is 404. Raises NoRoom for every other failure."""
        headers = {"Authorization": f"Basic {self._key}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._address + path, data, headers, method=method)  # noqa: S310 - http(s) by its config
        try:
            DIRECT.open(request, timeout=TIMEOUT_S).close()
        except urllib.error.HTTPError as error:
            if error.code == NOT_FOUND:
                return False
            raise NoRoom(f"SHOP_RABBITMQ_ADMIN_URL: {self._address}{path}: {error}") from None
        except (OSError, ValueError) as error:
            raise NoRoom(f"SHOP_RABBITMQ_ADMIN_URL: {self._address}{path}: {error}") from None
        return True


class Control:
    """Creates them with ``rabbitmqctl`` on the same machine, which needs root or the Erlang cookie."""

    def make(self, room: Room) -> None:
        """See `Maker.make`."""
        if room.vhost not in self._run("list_vhosts", "--no-table-headers"):
            self._run("add_vhost", room.vhost)
        if not any(line.split("\t")[0] == room.user for line in self._run("list_users", "--no-table-headers")):
            # The password on standard input: any user of the machine can read arguments.
            self._run("add_user", room.user, said=room.password)
            self._run("set_user_tags", room.user, "management")
        self._run("set_permissions", "-p", room.vhost, room.user, ".*", ".*", ".*")

    def _run(self, *arguments: str, said: str = "") -> list[str]:
        command = ["rabbitmqctl", "-q", *arguments]
        try:
            done = subprocess.run(
                command,
                input=said,
                capture_output=True,
                text=True,
                timeout=CONTROL_S,
                check=False,
                encoding="utf-8",
                errors="replace",
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NoRoom(f"rabbitmqctl {arguments[0]}: {type(error).__name__}") from None
        if done.returncode != 0:
            reason = (done.stdout + done.stderr).strip().splitlines() or [f"ended with {done.returncode}"]
            raise NoRoom(f"rabbitmqctl {arguments[0]}: {reason[0]}")
        return done.stdout.splitlines()
