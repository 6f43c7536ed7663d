"""The queue between the claim and the row: Celery's, or any other."""

import re
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from loadtest.experiment.section import Section, rule


class Queue(Section):
    """The queue between the claim and the row."""

    kind: Literal["celery", "rabbitmq", "redis_list", "redis_stream", "bullmq", "command"] = Field(
        "celery", description="what keeps it; command: anything else, of which a program says how long it is"
    )
    name: str = Field(
        "",
        pattern=r"^[^{}]*$",
        description="the queue, list, stream or BullMQ queue that orders wait in; taken as it is, without placeholders",
    )
    command: tuple[str, ...] = Field((), strict=False, description="of kind command: prints how many orders wait")
    number: str | None = Field(
        None,
        description="where an entry carries the order number: args.N or kwargs.NAME of a Celery task, else json:KEY",
    )
    task: str | None = Field(
        None,
        description="name of the task that places an order: others in the queue do not count; and for `loadtest limit`",
    )

    @model_validator(mode="before")
    @classmethod
    def _celery(cls, queue: Any) -> Any:
        """A task of Celery's has its number in its first argument unless the manifest says otherwise."""
        return (
            {"number": "args.0", **queue}
            if isinstance(queue, dict) and queue.get("kind", "celery") == "celery"
            else queue
        )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.kind == "celery" and not re.fullmatch(r"args\.\d+|kwargs\.\w+", self.number or ""):
            raise rule(
                f"queue.number = {self.number!r}: expected args.N or kwargs.NAME (where a task carries the order number: args.N or kwargs.NAME)"
            )
        if self.kind == "command" and not self.command:
            raise rule("queue.kind = 'command': expected queue.command as well, which prints how many orders wait")
        if self.kind != "command" and not self.name:
            raise rule(f"queue.name: required for a queue of kind {self.kind}, and not there")
        return self
