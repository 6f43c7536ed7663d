"""The shop's own commands: its processes, and what runs before and after a sale."""

from typing import Any, Literal

from pydantic import Field

from loadtest.experiment.section import Section


class Process(Section):
    """One process of the shop; stopped in reverse order."""

    role: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    command: tuple[str, ...] = Field(min_length=1, strict=False)
    count: str = Field("1", description="how many, may be a placeholder such as {workers.count}")
    ready_url: str | None = Field(None, description="ready when this answers 200")
    ready_log: str | None = Field(None, description="ready when a line of its log contains this")
    ready_s: float = Field(30, gt=0)
    stop_signal: Literal["TERM", "QUIT", "INT"] = "TERM"
    stop_s: float = Field(10, gt=0, description="seconds before it is killed")
    when: Literal["always", "queued", "inline"] = Field("always", description="only with that dispatch")


class Prepare(Section):
    """The command that prepares the sale: schema, stock, numbers. It must leave the same state however often it runs."""

    command: tuple[str, ...] = Field(min_length=1, strict=False)
    timeout_s: float = Field(60, gt=0)
    after: str | None = Field(
        None, description="role of a process that must be ready first, for a shop that is prepared by its own API"
    )


def as_list(prepare: Any) -> Any:
    """One table of a kind that there may be several of, as a list of one."""
    return [prepare] if isinstance(prepare, dict) else prepare


class Reset(Section):
    """The command that takes away what the run has left behind. It runs when everything has been read."""

    command: tuple[str, ...] = Field(min_length=1, strict=False)
    timeout_s: float = Field(60, gt=0)
