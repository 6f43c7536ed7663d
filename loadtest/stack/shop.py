"""The shop's own commands and processes, as its manifest describes them."""

import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from loadtest.errors import ServiceError, UsageError
from loadtest.experiment import Experiment
from loadtest.names import fill
from loadtest.shop import Process as ProcessEntry
from loadtest.shop import Shop
from loadtest.stack import Services
from loadtest.stack.embedded import free_port
from loadtest.stack.process import Command, Process, Supervisor

UNKNOWN_YET = Services(postgres="-", redis="-", broker="-")


@dataclass(frozen=True)
class ShopStack:
    """A shop on its services, with every placeholder of the manifest filled."""

    experiment: Experiment
    shop: Shop
    services: Services
    port: int

    @property
    def base_url(self) -> str:
        """Where buyers go."""
        return fill(self.shop.http.base_url, {"port": self.port}, "http.base_url")

    def prepare(self, supervisor: Supervisor) -> None:
        """Run the manifest's `prepare` command.

        Raises:
            ServiceError: it failed; the message ends with what it said.
        """
        if self.shop.prepare is None:
            return
        command = Command(
            "prepare", "prepare", self._fill_all(self.shop.prepare.command, "prepare.command"), env=self._env()
        )
        done = supervisor.run(command, self.shop.prepare.timeout_s)
        if done.exit_code() != 0:
            raise ServiceError(f"prepare ended with {done.exit_code()}:\n{done.log_tail()}")

    @contextmanager
    def processes(self, supervisor: Supervisor) -> Iterator[list[Process]]:
        """Every process of the shop, ready, while the context lasts."""
        started = [
            (entry, supervisor.start(command)) for entry in self.shop.process for command in self._commands(entry)
        ]
        try:
            for entry, process in started:
                self._wait_ready(entry, process)
            yield [process for _, process in started]
        finally:
            for _, process in reversed(started):
                supervisor.stop(process)

    def check(self) -> None:
        """Fill every placeholder once.

        Raises:
            UsageError: the manifest names one that does not exist.
        """
        self._env()
        if self.shop.prepare:
            self._fill_all(self.shop.prepare.command, "prepare.command")
        for entry in self.shop.process:
            for _ in self._commands(entry):
                pass
            if entry.ready_url:
                self._fill(entry.ready_url, "process.ready_url")

    def _commands(self, entry: ProcessEntry) -> Iterator[Command]:
        if entry.when not in ("always", self.experiment.dispatch):
            return
        count = self._fill(entry.count, f"process {entry.role}: count")
        if not count.isdecimal():
            raise UsageError(f"process {entry.role}: count = {entry.count!r}: expected a whole number, found {count!r}")
        for n in range(1, int(count) + 1):
            name = entry.role if count == "1" else f"{entry.role}-{n}"
            argv = [self._fill(part, f"process {entry.role}: command", {"name": name}) for part in entry.command]
            yield Command(
                entry.role, name, argv, env=self._env(),
                stop_signal=signal.Signals[f"SIG{entry.stop_signal}"], stop_s=entry.stop_s,
            )  # fmt: skip

    def _wait_ready(self, entry: ProcessEntry, process: Process) -> None:
        if entry.ready_url:
            url = self._fill(entry.ready_url, "process.ready_url")
            process.wait_ready(lambda: answers(url), entry.ready_s)
        if entry.ready_log:
            text = entry.ready_log
            process.wait_ready(lambda: process.log_contains(text), entry.ready_s)

    def _env(self) -> dict[str, str]:
        return {key: self._fill(value, f"env.{key}") for key, value in self.shop.env.items()}

    def _fill_all(self, parts: tuple[str, ...], where: str) -> list[str]:
        return [self._fill(part, where) for part in parts]

    def _fill(self, text: str, where: str, more: Mapping[str, object] | None = None) -> str:
        values = {
            **self.experiment.flat(),
            "limiter.kind": self.experiment.limiter.kind if self.experiment.limited else "none",
            "limiter.burst": self.experiment.limiter.allowed_burst,
            "sale": self.shop.sale,
            "port": self.port,
            "base_url": self.base_url,
            "python": sys.executable,
            "stack.postgres": self.services.postgres,
            "stack.redis": self.services.redis,
            "stack.broker": self.services.broker,
            **(more or {}),
        }
        return fill(text, values, where)


def on_free_port(experiment: Experiment, shop: Shop, services: Services = UNKNOWN_YET) -> ShopStack:
    """The shop on a port that nobody uses."""
    return ShopStack(experiment, shop, services, free_port())


def answers(url: str) -> bool:
    """Whether `url` gives 200 now."""
    try:
        with urllib.request.urlopen(url, timeout=1) as response:  # noqa: S310 - the manifest's own http(s) address
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False
