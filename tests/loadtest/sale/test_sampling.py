"""The sampler has read every service before the first buyer comes, however late it starts."""

import shutil
import time
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from loadtest.experiment.schema import Experiment
from loadtest.probes.sampler import Addresses
from loadtest.record.run_dir import RunDir, create
from loadtest.sale import sampling
from loadtest.sale.sampling import Sampling
from loadtest.stack import Services
from loadtest.stack.process import Command, Supervisor

LATE_S = 2.0


@pytest.fixture
def run_dir(tmp_path: Path, root: Path) -> RunDir:
    made = create(tmp_path, "rush", 1)
    (made.path / "experiment.toml").write_text(Experiment(shop="target/shop.toml").to_toml(), encoding="utf-8")
    shutil.copyfile(root / "target/shop.toml", made.path / "shop.toml")
    return made


def nothing() -> None:
    """Is done meanwhile."""


def instead(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """The sampler is a shell that runs `program`, in which "$@" is the sampler."""
    asked = sampling.sampler_command

    def command(run_dir: RunDir, addresses: Addresses) -> Command:
        honest = asked(run_dir, addresses)
        return replace(honest, argv=["sh", "-c", program, "sh", *honest.argv])

    monkeypatch.setattr(sampling, "sampler_command", command)


def read_since(run_dir: RunDir) -> set[str]:
    """The probes that have been read."""
    rows = duckdb.sql(f"SELECT DISTINCT p FROM read_json('{run_dir.path}/samples/sampler.jsonl')").fetchall()
    return {probe for (probe,) in rows}


@pytest.mark.parametrize("late_s", [0.0, LATE_S])
def test_every_service_is_read_before_anybody_buys(
    late_s: float, services: Services, run_dir: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    instead(monkeypatch, f'sleep {late_s}; exec "$@"')
    with Supervisor(run_dir.logs) as supervisor:
        began = time.monotonic()
        with Sampling(supervisor, run_dir, Addresses(services, services.postgres)) as sampler:
            sampler.wait(nothing)
            assert time.monotonic() - began >= late_s
            assert read_since(run_dir) >= {"postgres", "redis", "broker"}
        assert supervisor.running() == []
        sampler.stop()  # once more, as where the shop did not come up


def test_a_service_that_nobody_answers_for_is_not_waited_for(
    services: Services, closed_port: int, run_dir: RunDir
) -> None:
    dead = replace(services, redis=f"redis://127.0.0.1:{closed_port}/0")
    with (
        Supervisor(run_dir.logs) as supervisor,
        Sampling(supervisor, run_dir, Addresses(dead, services.postgres)) as sampler,
    ):
        began = time.monotonic()
        sampler.wait(nothing)
        assert time.monotonic() - began < sampling.PATIENCE_S
        assert "postgres" in read_since(run_dir)
        assert "redis" not in read_since(run_dir)


def test_a_sampler_that_has_died_is_not_waited_for(
    services: Services, run_dir: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    instead(monkeypatch, "exit 3")
    with Supervisor(run_dir.logs) as supervisor, Sampling(supervisor, run_dir, Addresses(services)) as sampler:
        began = time.monotonic()
        sampler.wait(nothing)
        assert time.monotonic() - began < sampling.PATIENCE_S


def test_what_is_raised_meanwhile_ends_the_wait(
    services: Services, run_dir: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    instead(monkeypatch, 'sleep 30; exec "$@"')

    def interrupted() -> None:
        raise KeyboardInterrupt

    with Supervisor(run_dir.logs) as supervisor:
        with pytest.raises(KeyboardInterrupt), Sampling(supervisor, run_dir, Addresses(services)) as sampler:
            sampler.wait(interrupted)
        assert supervisor.running() == []
