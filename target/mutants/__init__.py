"""Mutants: the shop with one mistake built in on purpose, to show that the check which should see it does.

Each is a mistake that real shops make, as the smallest change to the honest code. None is on unless SHOP_MUTANT names it, and
then every process says so. Where a mistake needs an unlucky moment, the mutant brings it about: see `unlucky`.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from target.config import Config, Dispatch
from target.errors import ConfigError, Unavailable
from target.parts import Parts
from target.stores.claims import Script

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Mutant:
    """One mistake.

    Args:
        name: as in SHOP_MUTANT.
        what: the mistake, in a sentence.
        put_in: gives the parts of the shop, with the wrong one in the place of the honest one.
        scheme: the scheme that the mistake is made in.
        dispatch: and the dispatch.
        batched: whether it is made where orders are placed together, or one by one; None: in either.
    """

    name: str
    what: str
    put_in: Callable[[Parts], Parts]
    scheme: str = "tokens"
    dispatch: Dispatch = "queued"
    batched: bool | None = None


def unlucky(number: str) -> bool:
    """Whether bad luck strikes this order: every tenth, by its number, so that it is the same in each run."""
    return number.endswith("0")


def strike(number: str, what: str) -> None:
    """Raises Unavailable, saying `what`, for an unlucky order."""
    if unlucky(number):
        raise Unavailable(f"{what}: {number}")


def changed(script: Script, *changes: tuple[str, str]) -> Script:
    """A script with each (old, new) in its text. Raises ValueError where the old text is not there exactly once."""
    source = script.source
    for old, new in changes:
        if source.count(old) != 1:
            raise ValueError(
                f"expected {old!r} once in the script, found it {source.count(old)} times; mend the mutant"
            )
        source = source.replace(old, new)
    return Script(source)


def mutate(honest: Parts, config: Config) -> Parts:
    """The parts of the mutant that `config` names. Says so in the log.

    Raises:
        ConfigError: no such mutant, or one of another scheme, dispatch or batch.
    """
    if config.mutant not in MUTANTS:
        raise ConfigError(f"SHOP_MUTANT: expected {' or '.join(sorted(MUTANTS))}, found {config.mutant!r}")
    mutant = MUTANTS[config.mutant]
    if (config.scheme, config.dispatch) != (mutant.scheme, mutant.dispatch):
        raise ConfigError(
            f"SHOP_MUTANT={mutant.name}: expected SHOP_SCHEME={mutant.scheme} and SHOP_DISPATCH={mutant.dispatch}, "
            f"found {config.scheme} and {config.dispatch}"
        )
    if mutant.batched not in (None, config.batch > 1):
        expected = "above 1" if mutant.batched else "of 1"
        raise ConfigError(f"SHOP_MUTANT={mutant.name}: expected a SHOP_BATCH {expected}, found {config.batch}")
    log.warning("MUTANT %s: this shop is wrong on purpose: %s", mutant.name, mutant.what)
    return mutant.put_in(honest)


# The members know the contract above, so they come after it.
from target.mutants import (  # noqa: E402
    all_duplicates,
    answer_before_enqueue,
    claim_before_check,
    early_ack,
    failed_batch,
    native_limiter,
    no_buyer_guard,
    no_limiter,
    no_unique,
    off_by_one,
    pop_then_crash,
    push_back_on_timeout,
    reseed_in_backlog,
    swallowed_error,
)

MUTANTS: dict[str, Mutant] = {
    member.MUTANT.name: member.MUTANT
    for member in (
        off_by_one,
        reseed_in_backlog,
        no_unique,
        answer_before_enqueue,
        early_ack,
        swallowed_error,
        failed_batch,
        claim_before_check,
        pop_then_crash,
        push_back_on_timeout,
        no_buyer_guard,
        all_duplicates,
        no_limiter,
        native_limiter,
    )
}
