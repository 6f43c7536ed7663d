"""What is for sale: numbered units, or counted ones, of one item or several."""

from typing import Literal

from pydantic import Field

from loadtest.experiment.section import Section


class Units(Section):
    """What is for sale."""

    kind: Literal["numbered", "counted"] | None = Field(
        None,
        description="numbered: `seeded` names every number; counted: there are `stock` units, and ids are the shop's own; by default what [final] seeded says",
    )
    items: dict[str, int | str] = Field({}, description="item → units of it, where there are several; may be {stock}")
