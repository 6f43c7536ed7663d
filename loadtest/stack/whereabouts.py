"""The placeholders of a manifest with their values, for everything that is run or read by it: commands, URLs, keys."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from loadtest.errors import UsageError
from loadtest.experiment.names import PLACEHOLDER, fill
from loadtest.manifest.final import Final, Source
from loadtest.manifest.shop import Shop
from loadtest.stack import Services
from loadtest.stack.external import without_password

PORTS = {
    "postgres": 5432,
    "postgresql": 5432,
    "redis": 6379,
    "rediss": 6379,
    "amqp": 5672,
    "amqps": 5671,
    "mysql": 3306,
    "mariadb": 3306,
}
PARTS = ("host", "port", "user", "password", "database", "url")
NO_MYSQL = "expected a MySQL or MariaDB that is given, for none is embedded; start one, and give --mysql mysql://user:password@127.0.0.1/database"


@dataclass(frozen=True)
class Whereabouts:
    """Every placeholder with its value, and the environment of the manifest's commands. *Warning:* both hold passwords."""

    services: Services
    values: Mapping[str, str]
    environment: Mapping[str, str]

    def fill(self, text: str, where: str, more: Mapping[str, object] | None = None) -> str:
        """`text` with every placeholder filled; `more` are of that place alone. `where`: the manifest's key, for the error.

        Raises:
            UsageError: there is no such placeholder, or it is that of a service that is not there.
        """
        if not self.services.mysql and (name := _of_mysql(text)):
            raise UsageError(f"{where}: {{{name}}}: {NO_MYSQL}")
        return fill(text, {**self.values, **(more or {})}, where)

    def output(self, command: Iterable[str], where: str, timeout_s: float) -> str:
        """What `command` prints, which is run as `prepare` is. `where`: the manifest's key, for the error.

        Raises:
            UsageError: it cannot be run, fails, or does not end within `timeout_s`; the message has the last line that it complained with.
        """
        argv = [self.fill(part, where) for part in command]
        try:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=dict(self.environment),
                start_new_session=True,
            )
        except OSError as error:
            raise UsageError(f"{where}: cannot run {argv[0]!r}: {error.strerror}; mend the command") from None
        with process:
            try:
                printed, complained = process.communicate(timeout=timeout_s)
            except BaseException as error:
                with contextlib.suppress(ProcessLookupError, PermissionError):  # and whoever it started
                    os.killpg(process.pid, signal.SIGKILL)
                if not isinstance(error, subprocess.TimeoutExpired):
                    raise
                raise UsageError(
                    f"{where}: {argv[0]!r} did not end within {timeout_s:g} s; see what it waits for, or make it read less"
                ) from None
        if process.returncode:
            lines = complained.decode(errors="replace").strip().splitlines()
            said = without_password(lines[-1].strip()) if lines else "it said nothing"
            raise UsageError(
                f"{where}: {argv[0]!r} ended with {process.returncode}: {said}; run it by hand, and mend the command"
            )
        return printed.decode("utf-8-sig", errors="replace")


def uses_postgres(shop: Shop) -> bool:
    """Whether anything in the manifest names ``{stack.postgres}``; that SQL is run on it by default counts only where there is SQL."""
    final = [*_sources(shop.final), *(source for scheme in shop.schemes.values() for source in scheme.final.values())]
    commands = [process.command for process in shop.process] + [prepare.command for prepare in shop.prepare]
    commands += [source.command or () for source in final]
    commands += [shop.reset.command if shop.reset else (), shop.queue.command if shop.queue else ()]
    texts = [*shop.env.values(), *(word for command in commands for word in command)]
    if any(source.sql for source in final):
        texts.append(shop.truth.url)
    return any("{stack.postgres" in text for text in texts)


def _sources(final: Final) -> list[Source]:
    found: list[Source | None] = [getattr(final, name) for name in type(final).model_fields]
    return [source for source in found if source is not None]


def parts_of(services: Services) -> dict[str, str]:
    """``stack.postgres``, ``stack.postgres.host`` and so forth, of every service that is there."""
    found = {"stack.broker_admin": services.broker_admin}
    named = {"postgres": services.postgres, "redis": services.redis, "broker": services.broker, "mysql": services.mysql}
    for name, url in named.items():
        if url or name != "mysql":
            found[f"stack.{name}"] = url
            found |= {f"stack.{name}.{part}": value for part, value in _parts(url).items()}
    return found


def _parts(url: str) -> dict[str, str]:
    """What a URL says, as shops want it in pieces: without the escapes that a URL needs. A port that it leaves out is the usual one."""
    address = urlsplit(url)
    scheme = address.scheme.partition("+")[0]
    port = address.port or PORTS.get(scheme)
    database = unquote(address.path[1:])
    if not database:
        database = {"redis": "0", "rediss": "0", "amqp": "/", "amqps": "/"}.get(scheme, "")
    values = (address.hostname, port, unquote(address.username or ""), unquote(address.password or ""), database, url)
    return {part: str(value or "") for part, value in zip(PARTS, values, strict=True)}


def _of_mysql(text: str) -> str:
    return next((name for name in PLACEHOLDER.findall(text) if name.split(".")[:2] == ["stack", "mysql"]), "")
