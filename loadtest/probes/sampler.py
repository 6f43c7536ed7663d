"""The sampler: a separate process that reads every probe at the same ticks and streams the samples to a shard.

Run as ``python -m loadtest.probes.sampler RUN_DIR``, with the addresses of the services as JSON on standard input, because any
user of the machine can read arguments. Each probe has a thread, so that a slow service does not delay the others' readings.
"""

import json
import logging
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Self

from loadtest.experiment.schema import Experiment
from loadtest.experiment.section import parse, read_toml
from loadtest.manifest.shop import Shop
from loadtest.probes import Probe, Subject, probes
from loadtest.record.run_dir import RunDir
from loadtest.stack import Services
from loadtest.stack.whereabouts import Whereabouts

log = logging.getLogger(__name__)

# The sample that says that every probe has been read once, or could not be.
READY_PROBE, READY_METRIC = "sampler", "has_read"
READY = f"{READY_PROBE}.{READY_METRIC}"


@dataclass
class SampleWriter:
    """Appends samples to one shard ``samples/<writer>.jsonl``. Thread-safe."""

    file: IO[str]
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def write(self, time_ns: int, probe: str, reading: dict[str, float]) -> None:
        """Write one line for each metric of `reading`, flushed together."""
        lines = [
            json.dumps({"t": time_ns, "p": probe, "m": metric, "v": value}) + "\n" for metric, value in reading.items()
        ]
        with self._lock:
            self.file.writelines(lines)
            self.file.flush()


@dataclass
class Beat:
    """Reads one probe every `interval_s` until `stop` is set. A tick that passes during a reading is skipped, which leaves a gap."""

    name: str
    build: Callable[[], Probe]
    interval_s: float
    writer: SampleWriter
    stop: threading.Event
    tried: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """The body of the thread: build the probe, read it at every tick, close it. Errors are logged, and the next tick tries again."""
        probe: Probe | None = None
        while not self.stop.wait(self._until_next_tick()):
            try:
                probe = probe or self.build()
                at = time.time_ns()
                self.writer.write(at, self.name, dict(probe.read()))
            except Exception as error:
                log.warning(
                    "%s: no reading: %s", self.name, str(error).splitlines()[0] if str(error) else type(error).__name__
                )
            self.tried.set()
        if probe:
            probe.close()

    def _until_next_tick(self) -> float:
        """Seconds to the next multiple of the interval on the wall clock, the same for every probe."""
        return self.interval_s - time.time() % self.interval_s


@dataclass(frozen=True)
class Addresses:
    """Where the probes find what they read. *Warning:* it holds passwords, and goes from process to process over a pipe alone."""

    services: Services
    truth: str = ""
    whereabouts: Whereabouts | None = None

    @classmethod
    def of(cls, services: Services, truth: str, whereabouts: Whereabouts, shop: Shop) -> Self:
        """What the probes of `shop` need. Only a command that counts its queue needs an environment."""
        by_command = shop.queue is not None and shop.queue.kind == "command"
        return cls(services, truth, whereabouts if by_command else None)

    def to_json(self) -> str:
        """The text that `from_json` reads."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """What another process has written."""
        told = json.loads(text)
        services = Services(**told["services"])
        there = told["whereabouts"]
        whereabouts = Whereabouts(services, there["values"], there["environment"]) if there else None
        return cls(services, told["truth"], whereabouts)


def sample(run_dir: RunDir, addresses: Addresses, stop: threading.Event) -> None:
    """Read every probe, as often as the run's experiment says, until `stop` is set. Returns once all threads have ended."""
    experiment = parse(Experiment, read_toml(run_dir.path / "experiment.toml"), "experiment.toml")
    shop = parse(Shop, read_toml(run_dir.path / "shop.toml"), "shop.toml")
    final = shop.final_for(experiment.scheme)
    subject = Subject(
        addresses.services, shop.sale, experiment.stock, final, shop.queue, run_dir.processes,
        addresses.truth, addresses.whereabouts,
    )  # fmt: skip
    with (run_dir.path / "samples" / "sampler.jsonl").open("a", encoding="utf-8") as file:
        writer = SampleWriter(file)
        interval_s = 1 / experiment.sampler.hz
        beats = [
            Beat(name, lambda build=build: build(subject), interval_s, writer, stop)  # type: ignore[misc]
            for name, build in probes().items()
        ]
        threads = [threading.Thread(target=beat.run, name=beat.name) for beat in beats]
        for thread in threads:
            thread.start()
        while not stop.is_set() and not all(beat.tried.is_set() for beat in beats):
            stop.wait(interval_s / 10)
        if not stop.is_set():
            writer.write(time.time_ns(), READY_PROBE, {READY_METRIC: 1})
        for thread in threads:
            thread.join()


def main() -> None:
    """Sample until SIGTERM."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sample(RunDir(Path(sys.argv[1])), Addresses.from_json(sys.stdin.read()), stop)


if __name__ == "__main__":
    main()
