import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import loadtest.faults.schedule
from loadtest.errors import UsageError
from loadtest.experiment.schema import Experiment, FaultPlan
from loadtest.faults import faults
from loadtest.faults.schedule import Schedule, check_faults
from loadtest.manifest.loading import load_shop
from loadtest.manifest.shop import Shop
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
    moments = [line[f"{name}_ns"] for name in ("intended", "injected", "observed", "healed", "recovered")]
    assert None not in moments
    assert moments == sorted(moments)  # type: ignore[type-var]
    assert line["reason"] is None


def test_a_run_that_ends_early_still_heals(processes: ShopProcesses, tmp_path: Path) -> None:
    schedule = Schedule([FaultPlan(kind="kill", at_s=0, heal_after_s=600)], processes, tmp_path / "faults.jsonl")
    schedule.begin(time.time_ns())
    schedule.tick()
    schedule.finish()
    assert all(process.exit_code() is None for process in processes.of("worker"))
    assert lines(tmp_path / "faults.jsonl")[0]["recovered_ns"]


class Stubborn:
    """A fault of which the named steps fail, each as often as `times` says."""

    def __init__(self, *steps: str, times: int = 10**9) -> None:
        self.failing = dict.fromkeys(steps, times)
        self.healed = 0

    def inject(self) -> None:
        self._fail("inject")

    def observed(self) -> bool:
        self._fail("observed")
        return True

    def heal(self) -> None:
        self._fail("heal")
        self.healed += 1

    def recovered(self) -> bool:
        self._fail("recovered")
        return True

    def _fail(self, step: str) -> None:
        if self.failing.get(step, 0) > 0:
            self.failing[step] -= 1
            raise OSError("no such process")


@pytest.fixture
def stubborn(monkeypatch: pytest.MonkeyPatch, processes: ShopProcesses, tmp_path: Path) -> Callable[..., Schedule]:
    """A schedule of such a fault, due at T0 for no time at all, and of a `noop` beside it."""
    monkeypatch.setattr(loadtest.faults.schedule, "RECOVER_S", 0.3)

    def scheduled(fault: Stubborn) -> Schedule:
        kinds = faults()
        monkeypatch.setattr(
            loadtest.faults.schedule, "faults", lambda: {**kinds, "kill": lambda _processes, _role: fault}
        )
        plans = [FaultPlan(kind=kind, at_s=0, heal_after_s=0) for kind in ("kill", "noop")]
        return Schedule(plans, processes, tmp_path / "faults.jsonl")

    return scheduled


def through(schedule: Schedule, log: Path) -> list[dict[str, object]]:
    """What is logged of a schedule that began, was looked at once, and ended."""
    schedule.begin(time.time_ns())
    schedule.tick()
    schedule.finish()
    return lines(log)


def test_a_planned_fault_whose_time_never_came_is_logged_with_the_reason(
    processes: ShopProcesses, tmp_path: Path
) -> None:
    schedule = Schedule([FaultPlan(kind="kill", at_s=600)], processes, tmp_path / "faults.jsonl")
    (line,) = through(schedule, tmp_path / "faults.jsonl")
    assert [line[f"{name}_ns"] for name in ("injected", "observed", "healed", "recovered")] == [None] * 4
    assert "not injected: the buyers were done" in str(line["reason"])


def test_a_planned_fault_of_a_sale_without_t0_is_logged_with_the_reason(
    processes: ShopProcesses, tmp_path: Path
) -> None:
    Schedule([FaultPlan(kind="kill"), FaultPlan(kind="noop")], processes, tmp_path / "faults.jsonl").finish()
    assert [(line["fault"], line["intended_ns"], line["reason"]) for line in lines(tmp_path / "faults.jsonl")] == [
        ("kill worker", None, "not injected: T0 never came"),
        ("noop worker", None, "not injected: T0 never came"),
    ]


def test_a_planned_fault_that_cannot_be_injected_is_logged_healed_and_stops_no_other(
    stubborn: Callable[..., Schedule], tmp_path: Path
) -> None:
    fault = Stubborn("inject")
    failed, other = through(stubborn(fault), tmp_path / "faults.jsonl")
    assert failed["reason"] == "inject failed: no such process"
    assert failed["injected_ns"]
    assert failed["observed_ns"] is None, "nobody knows what half of it has done"
    assert fault.healed == 1
    assert other["recovered_ns"]


def test_a_planned_fault_that_is_healed_early_says_so(processes: ShopProcesses, tmp_path: Path) -> None:
    schedule = Schedule([FaultPlan(kind="noop", at_s=0, heal_after_s=600)], processes, tmp_path / "faults.jsonl")
    (line,) = through(schedule, tmp_path / "faults.jsonl")
    assert "instead of 600 s: the buyers were done" in str(line["reason"])
    assert line["observed_ns"]
    assert line["recovered_ns"]


def test_a_heal_that_fails_is_tried_again(stubborn: Callable[..., Schedule], tmp_path: Path) -> None:
    failed, other = through(stubborn(Stubborn("heal", times=2)), tmp_path / "faults.jsonl")
    assert failed["reason"] == "heal failed: no such process"
    assert failed["recovered_ns"]
    assert other["recovered_ns"]


@pytest.mark.parametrize("step", ["observed", "heal", "recovered"])
def test_a_step_that_always_fails_leaves_its_moment_open(
    step: str, stubborn: Callable[..., Schedule], tmp_path: Path
) -> None:
    moment = {"heal": "healed"}.get(step, step)
    failed, other = through(stubborn(Stubborn(step)), tmp_path / "faults.jsonl")
    assert failed[f"{moment}_ns"] is None
    assert failed["reason"] == f"{step} failed: no such process"
    assert other["recovered_ns"]


@pytest.mark.parametrize("kind", ["kill", "noop"])
def test_a_fault_that_has_nobody_to_hit_is_never_observed(kind: str, processes: ShopProcesses, tmp_path: Path) -> None:
    plan = FaultPlan(kind=kind, role="nobody", at_s=0, heal_after_s=0.2)
    schedule = Schedule([plan], processes, tmp_path / "faults.jsonl")
    (line,) = through(schedule, tmp_path / "faults.jsonl")
    assert line["injected_ns"]
    assert line["observed_ns"] is None


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
        check_faults([FaultPlan.model_validate(plan)], shop, "queued")


def test_a_fault_on_processes_that_do_not_run_with_this_dispatch_is_refused() -> None:
    shop, _ = load_shop(Experiment())
    with pytest.raises(UsageError, match="no such process runs with dispatch = 'inline'; running: api"):
        check_faults([FaultPlan(kind="kill", role="worker")], shop, "inline")
