"""The sweep: a matrix of rates and workers, with the model's prediction for each cell beside what was measured."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from loadtest.campaign.matrix import Result
from loadtest.errors import UsageError
from loadtest.experiment.files import lay_over
from loadtest.experiment.schema import Experiment
from loadtest.experiment.section import parse, read_toml
from loadtest.record.whole import write_text
from loadtest.sizing.calibration import calibrate
from loadtest.sizing.model import predict

RATE, WORKERS, LIMITER = "limiter.rate_per_s", "workers.count", "limiter.kind"
PREDICTIONS = "predictions.json"


def swept(experiment: Experiment, rates: str | None, workers: str | None, limiter: str | None) -> Experiment:
    """`experiment` as a matrix over `rates` and `workers`, lists such as ``50,100``; what is None stays as the experiment has it.

    Raises:
        UsageError: not a list of numbers, a value out of its range, or no rates at all.
    """
    axes = dict(experiment.matrix)
    if rates is not None:
        axes[RATE] = numbers("--rates", rates, whole=False)
    if workers is not None:
        axes[WORKERS] = numbers("--workers", workers, whole=True)
    if RATE not in axes:
        raise UsageError(f"sweep: no rates; give --rates 50,100,200, or {RATE} in [matrix]")
    fixed = {} if limiter is None else {LIMITER: limiter}
    if limiter is not None and limiter not in ("flat", "shared"):
        raise UsageError(f"--limiter {limiter!r}: expected flat or shared")
    for key, values in axes.items():
        for value in values:  # so that a wrong value is refused before anything starts
            lay_over(experiment, {key: value}, f"sweep: {key} = {value}")
    return lay_over(experiment, fixed, "sweep").model_copy(update={"matrix": axes})


def numbers(option: str, text: str, *, whole: bool) -> list[float | int]:
    """The numbers in a list such as ``50,100``, without duplicates. Raises UsageError unless all are numbers above 0."""
    try:
        found: list[float | int] = [int(part) if whole else _short(_finite(part)) for part in text.split(",")]
    except ValueError:
        found = []
    if not found or not all(0 < value < 1e9 for value in found):
        raise UsageError(f"{option} {text!r}: expected {'whole ' if whole else ''}numbers above 0, such as 1,2,4")
    return list(dict.fromkeys(found))


def write_predictions(directory: Path, results: Sequence[Result]) -> Path | None:
    """Write ``predictions.json`` into the directory of a matrix: the model's prediction for each cell, calibrated on the first VALID cell
    alone. Returns its path, or None, with nothing written, if no cell is VALID.
    """
    ran = [result for result in results if result.run_dir is not None and result.verdict is not None]
    first = next((str(result.run_dir) for result in ran if result.verdict == "VALID"), None)
    if first is None:
        return None
    calibration = calibrate(directory / first)
    cells = []
    for result in ran:
        run = directory / str(result.run_dir)
        experiment = parse(Experiment, read_toml(run / "experiment.toml"), str(run))
        cells.append({"run_dir": result.run_dir} | asdict(predict(experiment, calibration)))
    path = directory / PREDICTIONS
    write_text(path, json.dumps({"calibrated_on": first, "cells": cells}, indent=1) + "\n")
    return path


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError
    return value


def _short(value: float) -> float | int:
    """A whole number as an int: run directories are named by their values, ``50`` rather than ``50.0``."""
    return int(value) if value == int(value) else value
