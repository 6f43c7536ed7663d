"""How large a rehearsal is: so small that it takes seconds, and yet large enough that the last buyer finds nothing left."""

import json
from pathlib import Path
from typing import Any

from loadtest.errors import UsageError
from loadtest.experiment.files import find_file, load_experiment
from loadtest.experiment.schema import Arrivals, Experiment, Traffic
from loadtest.experiment.section import read_toml
from loadtest.manifest.shop import Shop

STOCK = 3
# More are not bought out: that would be a sale.
MOST = 20


def small_experiment(file: Path, overrides: tuple[str, ...]) -> Experiment:
    """The experiment by which the shop of `file`, a manifest or an experiment that names one, is rehearsed.

    Raises:
        UsageError: there is no such file, or it is neither.
    """
    if not file.is_file():
        raise UsageError(f"{file}: no such file; draft a manifest with loadtest init {file}")
    data = read_toml(file)
    if not names_shop(file):
        chosen = load_experiment(
            "rush", [f"shop={json.dumps(str(file.resolve()))}", *_offered(data, overrides), *overrides]
        )
    else:
        chosen = load_experiment(str(file), overrides)
    stock = (
        chosen.stock
        if any(each.startswith("stock=") for each in overrides)
        else STOCK + _workers(find_file(chosen.shop)) - 1
    )
    few: dict[str, Any] = {
        "stock": stock,
        "buyers": min(stock, MOST) + 2,
        "traffic": Traffic(),
        "arrivals": Arrivals(timeout_s=chosen.arrivals.timeout_s, poll_s=chosen.arrivals.poll_s),
        "faults": (),
        "matrix": {},
        "cells": {},
        "thresholds": (),
    }
    return chosen.model_copy(update=few)


def names_shop(file: Path) -> bool:
    """Whether it is an experiment that names its shop, and no manifest."""
    data = read_toml(file)
    return "shop" in data and "http" not in data


def _workers(manifest: Path) -> int:
    """How many processes take orders from a queue, as far as one sees it, and one at least: each holds one that has left the queue."""
    processes = read_toml(manifest).get("process")
    roles = [each.get("role") for each in processes if isinstance(each, dict)] if isinstance(processes, list) else []
    return max(1, sum("worker" in str(role) for role in roles))


def _offered(data: dict[str, Any], overrides: tuple[str, ...]) -> list[str]:
    """A scheme and a dispatch that the shop offers, where it has schemes and nobody chose one."""
    schemes = data.get("schemes")
    if (
        not isinstance(schemes, dict)
        or not schemes
        or "tokens" in schemes
        or any(each.startswith("scheme=") for each in overrides)
    ):
        return []
    name, first = next(iter(schemes.items()))
    dispatch = first.get("dispatch", ["queued"]) if isinstance(first, dict) else ["queued"]
    return [f"scheme={name}", f"dispatch={dispatch[0]}"]


def tells_stock(shop: Shop) -> bool:
    """Whether the manifest tells the shop how many units are for sale, so that this rehearsal decides it."""
    commands = [each.command for each in shop.prepare] + [each.command for each in shop.process]
    items = [str(units) for units in shop.units.items.values()]
    return any(
        "{stock}" in text for text in (*shop.env.values(), *items, *(part for command in commands for part in command))
    )
