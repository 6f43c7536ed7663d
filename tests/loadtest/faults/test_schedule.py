import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadtest.errors import UsageError
from loadtest.experiment.schema import Experiment, FaultPlan
from loadtest.faults.schedule import Schedule, check_faults
from loadtest.manifest.shop import Shop, load_shop
from loadtest.stack.process import Supervisor
from loadtest.stack.shop_stack import ShopProcesses, on_free_port

SLEEPER = [sys.executable, "-u", "-c", "import time; print('up', flush=True); time.sleep(60)"]


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[ShopProcesses]:
    """Two workers that do nothing, under real supervision."""
    honest, _ = load_shop(Experiment())
    entry = {"role": "worker", "command": SLEEPER, "count": "2", "ready_log": "up"}
    shop = Shop.model_validate(honest.model_dump(exclude_unset=True) | {"process": [entry], "env": {}})
    with (
        Supervisor(tmp_path / "logs") as supervisor,
        on_free_port(Experiment(), shop).processes(supervisor) as running,
    ):
        yield running


def lines(log: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]


def test_a_kill_is_seen_to_take_effect_and_to_be_healed(processes: ShopProcesses, tmp_path: Path) -> None:
    before = [process.pid for process in processes.of("worker")]
    schedule = Schedule([FaultPlan(kind="kill", at_s=0, heal_after_s=0.2)], processes, tmp_path / "faults.jsonl")
    schedule.begin(time.time_ns())
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and not all(
        p.exit_code() is None for p in processes.of("worker") if p.pid not in before
    ):
        schedule.tick()
    for _ in range(20):
        schedule.tick()
        time.sleep(0.02)
    schedule.finish()
    after = [process.pid for process in processes.of("worker")]
    assert len(after) == 2
    assert not set(before) & set(after)
    (line,) = lines(tmp_path / "faults.jsonl")
    assert line["fault"] == "kill worker"
    moments = [line[f"{name}_ns"] for name in ("intended", "observed", "healed", "recovered")]
    assert None not in moments
    assert moments == sorted(moments)  # type: ignore[type-var]


def test_a_run_that_ends_early_still_heals(processes: ShopProcesses, tmp_path: Path) -> None:
    schedule = Schedule([FaultPlan(kind="kill", at_s=0, heal_after_s=600)], processes, tmp_path / "faults.jsonl")
    schedule.begin(time.time_ns())
    schedule.tick()
    schedule.finish()
    assert all(process.exit_code() is None for process in processes.of("worker"))
    assert lines(tmp_path / "faults.jsonl")[0]["recovered_ns"]


def test_one_that_never_came_is_recorded_as_unseen(processes: ShopProcesses, tmp_path: Path) -> None:
    schedule = Schedule([FaultPlan(kind="kill", at_s=600)], processes, tmp_path / "faults.jsonl")
    schedule.begin(time.time_ns())
    schedule.tick()
    schedule.finish()
    assert lines(tmp_path / "faults.jsonl")[0]["observed_ns"] is None


def test_noop_hurts_nobody(processes: ShopProcesses, tmp_path: Path) -> None:
    before = processes.of("worker")
    schedule = Schedule([FaultPlan(kind="noop", at_s=0, heal_after_s=0)], processes, tmp_path / "faults.jsonl")
    schedule.begin(time.time_ns())
    schedule.tick()
    schedule.finish()
    assert processes.of("worker") == before
    assert lines(tmp_path / "faults.jsonl")[0]["recovered_ns"]


@pytest.mark.parametrize(
    ("plan", "hint"),
    [({"kind": "kil"}, "nearest valid: 'kill'"), ({"kind": "kill", "role": "wrker"}, "nearest valid: 'worker'")],
)
def test_a_wrong_plan_is_refused_beforehand(plan: dict[str, str], hint: str) -> None:
    shop, _ = load_shop(Experiment())
    with pytest.raises(UsageError, match=hint):
        check_faults([FaultPlan.model_validate(plan)], shop)
