"""The manifest: how to start, drive and read a shop that the harness has never seen.

Text values may hold placeholders: ``{sale}``, ``{buyer}``, ``{number}`` where they make sense, ``{port}``, ``{python}``,
``{base_url}``, ``{stack.postgres}``, ``{stack.redis}``, ``{stack.broker}``, ``{stack.broker_admin}``, and any key of the experiment such as
``{stock}`` or ``{limiter.rate_per_s}``. The file is copied to the run directory as it was written, so that no
address with a password gets there.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from loadtest.experiment.names import nearest
from loadtest.experiment.section import Section, rule
from loadtest.manifest.accounts import Buyers
from loadtest.manifest.commands import Prepare, Process, Reset, as_list
from loadtest.manifest.final import Final, Source, Truth, check_readable
from loadtest.manifest.http import Http
from loadtest.manifest.order_queue import Queue
from loadtest.manifest.stock import Units

# The name of an environment variable.
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class Scheme(Section):
    """A stock scheme that the shop offers: its kinds of dispatch, and the final reads that differ from the manifest's general ones."""

    dispatch: tuple[Literal["queued", "inline"], ...] = Field(
        ("queued", "inline"),
        strict=False,
        description="the kinds of dispatch with which it can be sold: through a queue, or within the request",
    )
    why: str = Field("", description="the reason why it does not offer the other, for whoever asks for it")
    final: dict[str, Source] = Field({}, description="final reads that replace those of [final] under this scheme")


class Proof(Section):
    """A sale that is wrong on purpose, and the checks of which one must fail on it: proof that the check can fail."""

    what: str = Field(description="the mistake, in a sentence")
    trips: tuple[str, ...] = Field(
        min_length=1,
        strict=False,
        description="checks of which one must be INVALID; or `unknown`, or `valid` of what is odd and right",
    )
    beside: tuple[str, ...] = Field((), strict=False, description="checks that may be INVALID as well")
    experiment: dict[str, Any] = Field({}, description="key = value laid over the experiment; dotted keys in quotes")


class Shop(Section):
    """A whole manifest.

    `controls` are experiments that must fail as they are; `mutants` need a mistake built into the shop, which is told its name
    by the placeholder ``{mutant}``.
    """

    name: str = Field(description="what the shop is called in reports")
    sale: str = Field(
        "sale",
        pattern=r"^[A-Za-z0-9_-]+$",
        description="what the shop calls the sale, or the product: {sale} in requests, :sale in SQL",
    )
    env: dict[str, str] = Field(
        {}, description="variable → value: the environment of the shop's commands; values may hold placeholders"
    )
    pass_env: tuple[Variable, ...] = Field(
        (), strict=False, description="variables of the harness's own environment that they get too, and the buyers"
    )
    prepare: Annotated[
        tuple[Prepare, ...], BeforeValidator(as_list, json_schema_input_type=Prepare | tuple[Prepare, ...])
    ] = Field((), strict=False, description="commands that prepare the sale: one [prepare], or several [[prepare]]")
    reset: Reset | None = Field(None, description="the command that takes away what the sale has left")
    process: tuple[Process, ...] = Field(
        (), strict=False, description="the processes of the shop, started in this order; none for one that runs already"
    )
    units: Units = Field(Units(), description="what is for sale")
    buyers: Buyers = Field(Buyers(), description="who the buyers are")
    http: Http = Field(description="how buyers talk to the shop")
    truth: Truth = Field(Truth(), description="the database that has the orders")
    queue: Queue | None = Field(None, description="the queue between the answer and the row")
    final: Final = Field(description="where the orders and the stock are read when the sale is over")
    schemes: dict[str, Scheme] = Field({}, description="name → a way in which the shop can be told to keep its stock")
    controls: dict[str, Proof] = Field({}, description="name → an experiment that must be found wrong as it is")
    mutants: dict[str, Proof] = Field(
        {}, description="name → a mistake that can be switched on in the shop, which is told by {mutant}"
    )

    @model_validator(mode="after")
    def _readable(self) -> Self:
        """What a scheme reads elsewhere is a set that there is, read from where it can be."""
        for name, scheme in self.schemes.items():
            check_readable(scheme.final, f"schemes.{name}.final")
        return self

    @model_validator(mode="after")
    def _of_one_kind(self) -> Self:
        """Numbers are known beforehand, or units are counted."""
        if self.units.kind == "numbered" and self.final.seeded is None:
            raise rule(
                "units.kind = 'numbered': expected [final] seeded, which names every number; where ids are the shop's own, say counted"
            )
        if self.units.kind == "counted" and self.final.seeded is not None:
            raise rule(
                "units.kind = 'counted': found [final] seeded, which is for numbered units; take one of both out"
            )
        return self

    @model_validator(mode="after")
    def _known_roles(self) -> Self:
        roles = {process.role for process in self.process}
        for each in self.prepare:
            if each.after is not None and each.after not in roles:
                raise rule(
                    f"prepare.after = {each.after!r}: no process has that role; {nearest(each.after, roles) if roles else 'the manifest starts none'}"
                )
        return self

    @property
    def counted(self) -> bool:
        """Whether units are counted, and ids the shop's own."""
        return self.final.seeded is None

    def final_for(self, scheme: str) -> Final:
        """The final reads under `scheme`: the general ones, replaced by the scheme's own where it has any."""
        own = self.schemes[scheme].final if scheme in self.schemes else {}
        return self.final.model_copy(update=own)
