"""Batches: checks that the experiment can place orders in batches, and that its burst and prefetch leave room for them.

W workers with a limit of L rows a second may write W·(L·t + burst) rows in a window of t seconds. The N orders of a batch wait until the
limiter would have let each of them go, and are committed together; so the burst must be N at least. Its default is the burst without
batches, plus N - 1.
"""

from loadtest.errors import UsageError
from loadtest.experiment.schema import Experiment
from loadtest.manifest.shop import Shop


def check_batch(experiment: Experiment, shop: Shop) -> None:
    """Check `workers.batch` against the rest of the experiment and against the manifest.

    Raises:
        UsageError: this shop or experiment cannot have batches, or the burst or prefetch that was set is too small for them.
    """
    batch = experiment.workers.batch
    if batch == 1:
        return
    for wrong in (_where(experiment), _told(shop), _burst(experiment), _prefetch(experiment)):
        if wrong:
            raise UsageError(f"workers.batch = {batch}: {wrong}")


def _where(experiment: Experiment) -> str | None:
    if experiment.dispatch != "queued":
        return "with dispatch = 'inline' each row is written in its request, and none waits for another; set workers.batch to 1"
    if experiment.limiter.kind == "native":
        return "Celery's own limiter lets orders go one by one; set limiter.kind to flat, shared or none, or workers.batch to 1"
    return None


def _told(shop: Shop) -> str | None:
    commands = [part for process in shop.process for part in process.command]
    if any("{workers.batch}" in text for text in (*shop.env.values(), *commands)):
        return None
    return "the manifest does not tell the shop of it; put {workers.batch} into its [env], or set workers.batch to 1"


def _burst(experiment: Experiment) -> str | None:
    told, shared = experiment.limiter.burst, experiment.limiter.kind == "shared"
    least = experiment.workers.batch + shared  # a shared limiter needs one more, to make up for a missed moment
    if not experiment.limited or told is None or told >= least:
        return None
    return f"so many orders come at once, above limiter.burst = {told}; raise that to {least}, or leave it away"


def _prefetch(experiment: Experiment) -> str | None:
    told = experiment.workers.prefetch
    if told is None or told >= experiment.workers.batch:
        return None
    return f"no batch is ever full with workers.prefetch = {told}; raise that to {experiment.workers.batch}, or leave it away"
