"""Statistics of a queue that AMQP does not give: from RabbitMQ's management API over HTTP, or ``rabbitmqctl`` on the same machine."""

import base64
import json
import shutil
import subprocess
import urllib.request
from dataclasses import dataclass
from typing import Self
from urllib.parse import quote, unquote, urlsplit

from loadtest.stack import Services

TIMEOUT_S = 3
CONTROL_S = 10
LOCAL = ("localhost", "127.0.0.1", "::1")
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Statistics:
    """The statistics of one queue. *Warning:* they are seconds old."""

    address: str  # of the management API, without user and password
    login: str  # user:password
    vhost: str
    queue: str
    controllable: bool

    @classmethod
    def of(cls, services: Services, queue: str) -> Self:
        """Uses the management API that was given; else the one at its default port on the broker's host, with the broker's user."""
        broker = urlsplit(services.broker)
        scheme, port = ("https", 15671) if broker.scheme == "amqps" else ("http", 15672)
        beside = f"{scheme}://{broker.netloc.rpartition('@')[0]}@{broker.hostname}:{port}"
        admin = urlsplit(services.broker_admin or beside)
        login, _, host = admin.netloc.rpartition("@")
        vhost = unquote(broker.path[1:]) or "/"
        return cls(f"{admin.scheme}://{host}", unquote(login), vhost, queue, controllable(services.broker))

    def unacked(self) -> int | None:
        """Messages that workers hold; None if neither the API nor ``rabbitmqctl`` may be asked, or there are no statistics yet."""
        try:
            return self._asked()
        except (OSError, ValueError):
            return self._told() if self.controllable else None

    def _asked(self) -> int | None:
        """By the API. Raises OSError (nobody listens, or this user is refused) or ValueError (the answer is not RabbitMQ's)."""
        url = f"{self.address}/api/queues/{quote(self.vhost, safe='')}/{quote(self.queue, safe='')}?columns=messages_unacknowledged"
        key = base64.b64encode(self.login.encode()).decode()
        request = urllib.request.Request(url, headers={"Authorization": f"Basic {key}"})  # noqa: S310 - http(s) by its option
        with DIRECT.open(request, timeout=TIMEOUT_S) as answer:
            unacked = dict(json.load(answer)).get("messages_unacknowledged")
        return None if unacked is None else int(unacked)

    def _told(self) -> int | None:
        """By ``rabbitmqctl``, which takes half a second, and needs root or the Erlang cookie. None if it fails."""
        columns = ("name", "messages_unacknowledged")
        command = ["rabbitmqctl", "-q", "list_queues", "-p", self.vhost, *columns, "--formatter", "json"]
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                timeout=CONTROL_S,
                check=True,
                encoding="utf-8",
                errors="replace",
            )
            found = {queue["name"]: int(queue["messages_unacknowledged"]) for queue in json.loads(done.stdout)}
        except (OSError, ValueError, TypeError, KeyError, subprocess.SubprocessError):
            return None
        return found.get(self.queue)


def controllable(broker: str) -> bool:
    """Whether ``rabbitmqctl`` is installed, and the broker is on this machine."""
    return urlsplit(broker).hostname in LOCAL and shutil.which("rabbitmqctl") is not None
