"""Puts the shop together. Every process of it starts here."""

from target.config import Config
from target.parts import Parts


def parts_of(config: Config) -> Parts:
    """The honest parts; with SHOP_MUTANT, those of a shop that is wrong on purpose, which is said loudly.

    Raises:
        ConfigError: no such mutant, or one of another scheme or dispatch.
    """
    if not config.mutant:
        return Parts()
    from target.mutants import mutate

    return mutate(Parts(), config)
