"""The shop's own commands and processes, as its manifest describes them."""

import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit

from loadtest.errors import HarnessError, ServiceError, UsageError
from loadtest.experiment.names import fill
from loadtest.experiment.redelivery import visibility_s
from loadtest.experiment.schema import Experiment
from loadtest.manifest.commands import Prepare, Reset
from loadtest.manifest.commands import Process as ProcessEntry
from loadtest.manifest.final import Source
from loadtest.manifest.shop import Shop
from loadtest.stack import Services, surroundings
from loadtest.stack.embedded import free_port
from loadtest.stack.listeners import expect_own
from loadtest.stack.process import Command, Process, Supervisor
from loadtest.stack.rabbitmq import DIRECT
from loadtest.stack.whereabouts import Whereabouts, parts_of

# Of the form that addresses have, so that whatever is made of their parts can be looked at before there are any.
UNKNOWN_YET = Services("postgresql://u:p@127.0.0.1:1/d", "redis://127.0.0.1:1/0", "redis://127.0.0.1:1/1")
MYSQL_UNKNOWN_YET = "mysql://u:p@127.0.0.1:1/d"


@dataclass(frozen=True)
class ShopStack:
    """A shop on its services, with every placeholder of the manifest filled. `here`: the manifest's folder; `scratch`: the run's own."""

    experiment: Experiment
    shop: Shop
    services: Services
    port: int
    here: Path = Path()
    scratch: Path = Path()

    @property
    def base_url(self) -> str:
        """Where buyers go."""
        return fill(self.shop.http.base_url, {"port": self.port}, "http.base_url")

    def prepare(self, supervisor: Supervisor, after: str | None = None) -> None:
        """Run the manifest's `prepare` commands: those before everything else, or those that come `after` the process of that role.

        Raises:
            ServiceError: one failed; the message ends with what it said.
        """
        for n, each in enumerate(self.shop.prepare, 1):
            if each.after == after:
                name = "prepare" if len(self.shop.prepare) == 1 else f"prepare-{n}"
                if failure := self._run(name, each, supervisor):
                    raise ServiceError(failure)

    @property
    def prepared_late(self) -> bool:
        """Whether some of it waits for a process of the shop."""
        return any(each.after is not None for each in self.shop.prepare)

    def reset(self, supervisor: Supervisor) -> str:
        """Run the manifest's `reset` command. Gives what went wrong, if something did."""
        try:
            return self._run("reset", self.shop.reset, supervisor) if self.shop.reset else ""
        except HarnessError as error:
            return str(error)

    def _run(self, name: str, told: Prepare | Reset, supervisor: Supervisor) -> str:
        kind = name.partition("-")[0]
        argv = self._fill_all(told.command, f"{kind}.command")
        done = supervisor.run(Command(kind, name, argv, env=self.whereabouts.environment), told.timeout_s)
        return "" if done.exit_code() == 0 else f"{name} ended with {done.exit_code()}:\n{done.log_tail()}"

    def refuse_taken(self) -> None:
        """Look whether somebody answers already where a process of the shop is to answer.

        Raises:
            UsageError: somebody does, and buyers would go there.
        """
        for entry in self.shop.process:
            if entry.ready_url and any(self._commands(entry)) and answers(self.ready_url(entry)):
                raise UsageError(
                    f"process {entry.role}: {self.ready_url(entry)} answers before it is started, so another server is there; "
                    "stop that one, or let the manifest say {port}, which is a free one"
                )

    def ready_url(self, entry: ProcessEntry) -> str:
        """Where a process of that role answers when it is ready; empty where it does not."""
        return self._fill(entry.ready_url, "process.ready_url") if entry.ready_url else ""

    @contextmanager
    def processes(self, supervisor: Supervisor) -> Iterator["ShopProcesses"]:
        """Every process of the shop, ready, while the context lasts. What is prepared after one of them comes before the next is started."""
        running = ShopProcesses(self, supervisor)
        try:
            for entry in self.shop.process:
                for command in self._commands(entry):
                    running.start(entry, command)
                if any(each.after == entry.role for each in self.shop.prepare):
                    running.wait_ready()
                    self.prepare(supervisor, entry.role)
            running.wait_ready()
            yield running
        finally:
            running.stop()

    def ready(self, entry: ProcessEntry, process: Process) -> bool:
        """Whether it is, as far as the manifest says how that is seen."""
        answering = not entry.ready_url or answers(self.ready_url(entry))
        return answering and (not entry.ready_log or process.log_contains(entry.ready_log))

    def unready(self, entry: ProcessEntry, process: Process) -> str:
        """What shows that it is not, on a line of its own; nothing where its own end does."""
        if process.exit_code() is not None:
            return ""
        if entry.ready_url and (found := found_at(self.ready_url(entry))) != "200":
            return f"\nready_url: expected 200 from {self.ready_url(entry)}, found {found}"
        if entry.ready_log and not process.log_contains(entry.ready_log):
            return f"\nready_log: expected a line with {entry.ready_log!r} in its log, which ends as above"
        return ""

    def check(self) -> None:
        """Fill every placeholder once.

        Raises:
            UsageError: the manifest names one that does not exist.
        """
        self.items()
        self._fill(self.shop.truth.url, "truth.url")
        commands = {"prepare": [each.command for each in self.shop.prepare]}
        commands["reset"] = [self.shop.reset.command] if self.shop.reset else []
        commands["queue"] = [self.shop.queue.command] if self.shop.queue else []
        final = self.shop.final_for(self.experiment.scheme)
        for name in type(final).model_fields:
            source: Source | None = getattr(final, name)
            commands[f"final.{name}"] = [source.command] if source and source.command else []
        for where, each in commands.items():
            for command in each:
                self._fill_all(command, f"{where}.command")
        for entry in self.shop.process:
            for _ in self._commands(entry):
                pass
            self.ready_url(entry)

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
                entry.role, name, argv, env=self.whereabouts.environment,
                stop_signal=signal.Signals[f"SIG{entry.stop_signal}"], stop_s=entry.stop_s,
            )  # fmt: skip

    @cached_property
    def whereabouts(self) -> Whereabouts:
        """Every placeholder that commands and addresses may have, with its value, and the environment of commands."""
        values = {
            **self.experiment.flat(),
            "limiter.kind": self.experiment.limiter.kind if self.experiment.limited else "none",
            "limiter.burst": self.experiment.burst,
            "broker.visibility_s": visibility_s(self.experiment),
            "workers.prefetch": self.experiment.prefetch,
            "workers.concurrency": self.experiment.workers.at_once,
            "sale": self.shop.sale,
            "port": self.port,
            "base_url": self.base_url,
            "python": sys.executable,
            "here": self.here,
            "scratch": self.scratch,
            **parts_of(self.services),
        }
        bare = Whereabouts(self.services, {name: str(value) for name, value in values.items()}, {})
        told = {key: bare.fill(value, f"env.{key}") for key, value in self.shop.env.items()}
        return replace(bare, environment={**surroundings.for_the_shop(self.shop.pass_env), **told})

    def items(self) -> dict[str, int]:
        """Item → units of it; empty where the manifest names no items.

        Raises:
            UsageError: a number of units is none.
        """
        return {item: self._units(item, units) for item, units in self.shop.units.items.items()}

    def _units(self, item: str, units: int | str) -> int:
        where = f"units.items: {item} = {units!r}"
        found = self._fill(str(units), where)
        if not found.isdecimal():
            raise UsageError(f"{where}: expected a whole number, found {found!r}")
        return int(found)

    def _fill_all(self, parts: tuple[str, ...], where: str) -> list[str]:
        return [self._fill(part, where) for part in parts]

    def _fill(self, text: str, where: str, more: Mapping[str, object] | None = None) -> str:
        return self.whereabouts.fill(text, where, more)


@dataclass
class ShopProcesses:
    """The processes of a running shop."""

    stack: ShopStack
    supervisor: Supervisor
    _running: list[tuple[ProcessEntry, Process]] = field(default_factory=list, init=False)

    def of(self, role: str) -> list[Process]:
        """Every process of that role."""
        return [process for entry, process in self._running if entry.role == role]

    def start(self, entry: ProcessEntry, command: Command) -> Process:
        """Start one more."""
        process = self.supervisor.start(command)
        self._running.append((entry, process))
        return process

    def restart(self, process: Process) -> Process:
        """Stop `process`, if it still runs, and start another in its place; does not wait until that is ready."""
        place = next(n for n, (_, running) in enumerate(self._running) if running is process)
        entry = self._running[place][0]
        self.supervisor.stop(process)
        successor = self.supervisor.start(process.command)
        self._running[place] = entry, successor
        return successor

    def ready(self, process: Process) -> bool:
        """Whether that process is ready."""
        return any(running is process and self.stack.ready(entry, process) for entry, running in self._running)

    def wait_ready(self) -> None:
        """Wait for every one of them.

        Raises:
            ServiceError: one ended, or was not ready in its time.
        """
        for entry, process in self._running:
            try:
                process.wait_ready(partial(self.stack.ready, entry, process), entry.ready_s)
            except ServiceError as error:
                raise ServiceError(f"{error}{_hint(process)}{self.stack.unready(entry, process)}") from None
        ours = self.supervisor.running()
        for entry, process in self._running:
            url = self.stack.ready_url(entry)
            expect_own(url, process, ours, ours_alone=urlsplit(url).port == self.stack.port)

    def begin_stop(self) -> None:
        """Send every process its stop signal, and do not wait for their end."""
        for _, process in reversed(self._running):
            process.begin_stop()

    def stop(self) -> None:
        """Stop them all, side by side."""
        self.supervisor.stop(*(process for _, process in reversed(self._running)))
        self._running.clear()


def on_free_port(
    experiment: Experiment, shop: Shop, services: Services = UNKNOWN_YET, here: Path = Path(), scratch: Path = Path()
) -> ShopStack:
    """The shop on a port that nobody uses."""
    return ShopStack(experiment, shop, services, free_port(), here.absolute(), scratch)


def _hint(process: Process) -> str:
    """What to do about an error of which the log alone does not say it."""
    if process.log_contains("SemLock"):
        return (
            "\na pool of processes needs semaphores, which live in /dev/shm: that must exist, be writable and not be full; "
            "or do without them: --set workers.pool=threads"
        )
    return ""


def answers(url: str) -> bool:
    """Whether `url` gives 200 now, asked directly, as buyers do: a proxy that happens to be set knows no shop of ours."""
    return found_at(url) == "200"


def found_at(url: str) -> str:
    """What `url` gives now: a status, or in words why there is none."""
    try:
        with DIRECT.open(url, timeout=1) as response:
            return str(response.status)
    except HTTPError as error:
        return str(error.code)
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        return f"no answer ({getattr(reason, 'strerror', None) or reason})"
