"""Puts the shop together from its parts. Every process of the shop takes its parts from here."""

from target.config import Config
from target.parts import Parts


def parts_of(config: Config) -> Parts:
    """The correct parts; if SHOP_MUTANT is set, with that mistake put in, which is logged as a warning.

    Raises:
        ConfigError: no such mutant, or the scheme, dispatch or batch size is not one that it works with.
    """
    if not config.mutant:
        return Parts()
    from target.mutants import mutate

    return mutate(Parts(), config)
