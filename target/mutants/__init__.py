"""Mutants: the shop with one mistake built in on purpose, to show that the harness's check for it can fail. One mistake a file.

Each is a mistake that real shops make, as the smallest change to the correct code. None is on unless SHOP_MUTANT names it, and
then every process logs a warning. A mistake that shows only at an unlucky moment is forced to show for every tenth order (`unlucky`).
Correct code must not be here, and only `assembly` imports this room. Imports `parts` and what is below it.
Read first: `Mutant`, then `mutate`; the smallest member is `all_duplicates`.
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
        put_in: takes the correct parts of the shop, returns them with the mistaken one put in.
        scheme: the only scheme that it works with.
        dispatch: the only dispatch that it works with.
        batched: True if it works only with batches (SHOP_BATCH above 1), False if only without, None if with either.
    """

    name: str
    what: str
    put_in: Callable[[Parts], Parts]
    scheme: str = "tokens"
    dispatch: Dispatch = "queued"
    batched: bool | None = None


def unlucky(number: str) -> bool:
    """Whether this order is one of those that a mutant makes fail: every tenth, by its number, so that each run hits the same ones."""
    return number.endswith("0")


def strike(number: str, what: str) -> None:
    """Raises Unavailable, saying `what`, for an unlucky order."""
    if unlucky(number):
        raise Unavailable(f"{what}: {number}")


def changed(script: Script, *changes: tuple[str, str]) -> Script:
    """`script` with each old text of `changes`, pairs (old, new), replaced. Raises ValueError if an old text does not occur exactly once."""
    source = script.source
    for old, new in changes:
        if source.count(old) != 1:
            raise ValueError(
                f"expected {old!r} once in the script, found it {source.count(old)} times; mend the mutant"
            )
        source = source.replace(old, new)
    return Script(source)


def mutate(honest: Parts, config: Config) -> Parts:
    """The parts of the shop with the mistake that `config.mutant` names. Logs a warning.

    Raises:
        ConfigError: no such mutant, or the scheme, dispatch or batch size is not one that it works with.
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


# The members import `Mutant` from this module, so it must be defined before they are imported.
from target.mutants.claims import (  # noqa: E402
    all_duplicates,
    claim_before_check,
    mark_before_stock,
    no_buyer_guard,
    off_by_one,
    pop_then_crash,
    push_back_on_timeout,
    refused_after_the_click,
    repeated_pipeline,
    reseed_in_backlog,
    stale_status,
    told_too_early,
    unfenced,
)
from target.mutants.limits import (  # noqa: E402
    forgetful_limiter,
    in_step,
    native_limiter,
    no_limiter,
)
from target.mutants.orders import (  # noqa: E402
    answer_before_enqueue,
    early_ack,
    failed_batch,
    misread_result,
    no_unique,
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
        unfenced,
        repeated_pipeline,
        told_too_early,
        refused_after_the_click,
        no_buyer_guard,
        all_duplicates,
        stale_status,
        misread_result,
        mark_before_stock,
        no_limiter,
        native_limiter,
        forgetful_limiter,
        in_step,
    )
}
