"""The fleet: how many load generators a run has, and where those on other machines find their master."""

from dataclasses import dataclass

from loadtest.errors import UsageError
from loadtest.stack.embedded import free_port

PORT = 5557
# Time for a person to start the generators on the other machines.
GATHER_S = 600


@dataclass(frozen=True)
class Fleet:
    """Either `processes` generators on this machine, or `workers` generators on other machines that connect to the master's address."""

    processes: int = 1
    workers: int = 0
    bind_host: str = "127.0.0.1"
    bind_port: int = PORT

    def check(self) -> None:
        """Raises UsageError where both are asked for."""
        if self.workers and self.processes > 1:
            raise UsageError(
                "--processes and --expect-workers: expected one of them; "
                "start several workers on this machine too: locust … --worker --processes N"
            )

    @property
    def wait_s(self) -> int:
        """Seconds to wait for the generators on other machines; 0 without any."""
        return GATHER_S if self.workers else 0

    def arguments(self) -> list[str]:
        """The command-line arguments that Locust needs for this fleet."""
        if self.workers:
            bound = ["--master-bind-host", self.bind_host, "--master-bind-port", str(self.bind_port)]
            wait = ["--expect-workers", str(self.workers), "--expect-workers-max-wait", str(GATHER_S)]
            return ["--master", *wait, *bound]
        if self.processes > 1:
            port = str(free_port())
            there = ["--master-host", "127.0.0.1", "--master-port", port]
            return [
                "--processes", str(self.processes), "--master-bind-host", "127.0.0.1", "--master-bind-port", port, *there
            ]  # fmt: skip
        return []

    def invitation(self, scenario: str) -> str | None:
        """What to show the user: the command to type on the other machines. None without any."""
        if not self.workers:
            return None
        here = "THIS_MACHINE" if self.bind_host in ("*", "0.0.0.0", "::") else self.bind_host  # noqa: S104 (as it was given)
        return (
            f"waiting for {self.workers} workers; start each with\n"
            f"  locust -f {scenario} --worker --master-host {here} --master-port {self.bind_port}"
        )
