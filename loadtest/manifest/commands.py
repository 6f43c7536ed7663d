"""The shop's own commands: its processes, and what runs before and after a sale."""

from typing import Any, Literal

from pydantic import Field

from loadtest.experiment.section import Section


class Process(Section):
    """One process of the shop; stopped in reverse order."""

    role: str = Field(
        pattern=r"^[a-z][a-z0-9_]*$",
        description="what it is called in the report, in its log's name, and by faults: api, worker",
    )
    command: tuple[str, ...] = Field(
        min_length=1,
        strict=False,
        description="the program and its arguments, each a text of its own; no shell is between",
    )
    count: str = Field("1", description="how many of it, as a text; may be a placeholder such as {workers.count}")
    ready_url: str | None = Field(None, description="ready when this answers 200")
    ready_log: str | None = Field(None, description="ready when a line of its log contains this")
    ready_s: float = Field(30, gt=0, description="seconds that it may take until it is ready")
    stop_signal: Literal["TERM", "QUIT", "INT"] = Field("TERM", description="the signal that asks it to end")
    stop_s: float = Field(10, gt=0, description="seconds after that signal until it is killed")
    when: Literal["always", "queued", "inline"] = Field("always", description="only with that dispatch")


class Prepare(Section):
    """The command that prepares the sale: schema, stock, numbers. It must leave the same state however often it runs."""

    command: tuple[str, ...] = Field(
        min_length=1,
        strict=False,
        description="the program and its arguments, each a text of its own; no shell is between",
    )
    timeout_s: float = Field(60, gt=0, description="seconds that it may take")
    after: str | None = Field(
        None, description="role of a process that must be ready first, for a shop that is prepared by its own API"
    )


def as_list(prepare: Any) -> Any:
    """One table of a kind that there may be several of, as a list of one."""
    return [prepare] if isinstance(prepare, dict) else prepare


class Reset(Section):
    """The command that takes away what the run has left behind. It runs when everything has been read."""

    command: tuple[str, ...] = Field(
        min_length=1,
        strict=False,
        description="the program and its arguments, each a text of its own; no shell is between",
    )
    timeout_s: float = Field(60, gt=0, description="seconds that it may take")
