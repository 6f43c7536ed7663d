"""Mutants: none by default, each refused where it does not fit, and each wrong in the way it says and in no other."""

import asyncio
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
import redis

from target.assembly import parts_of
from target.config import Config
from target.errors import AlreadyBought, ConfigError, SoldOut, Unavailable
from target.limiter.felt import Felt
from target.mutants import (
    MUTANTS,
    changed,
    forgetful_limiter,
    refused_after_the_click,
    repeated_pipeline,
    unfenced,
    unlucky,
)
from target.parts import Parts
from target.queue.backlog import purge
from target.queue.celery import PLACE_ORDER, create_celery
from target.schemes import Scheme
from target.schemes.tokens_reconciled import TokensReconciled
from target.stores.claims import CLAIM, Claim, Keys

T = TypeVar("T")


@pytest.fixture
def mutant(config: Config) -> Any:
    """The shop of a mutant, prepared: its configuration."""

    def made(name: str, **more: Any) -> Config:
        known = MUTANTS[name]
        batch = 10 if known.batched else 1
        told = replace(config, mutant=name, scheme=known.scheme, dispatch=known.dispatch, stock=20, batch=batch, **more)
        parts_of(told).scheme(told).prepare()
        return told

    yield made
    purge(config)


def honest(config: Config) -> Config:
    """The same shop without the mistake."""
    return replace(config, mutant="")


def at(config: Config, work: Callable[[Any], Awaitable[T]]) -> T:
    async def run() -> T:
        shop = parts_of(config).scheme(config)
        try:
            return await work(shop)
        finally:
            await shop.close()

    return asyncio.run(run())


async def outcome(shop: Scheme, buyer: str) -> str:
    try:
        return await shop.buy(buyer)
    except (SoldOut, AlreadyBought, Unavailable) as error:
        return type(error).__name__


def herd(config: Config, buyers: list[str]) -> list[str]:
    """What each is told, all at once."""

    async def work(shop: Scheme) -> list[str]:
        said = await asyncio.gather(*[outcome(shop, buyer) for buyer in buyers])
        await asyncio.sleep(0.2)  # for what goes on in the background
        return said

    return at(config, work)


def people(count: int) -> list[str]:
    return [f"b-{n}" for n in range(count)]


def place(config: Config, *orders: Claim) -> list[str]:
    placing = parts_of(config).orders(config, 1)
    try:
        return [placing.place(claim) for claim in orders]
    finally:
        placing.close()


def queue_length(config: Config) -> int:
    with redis.Redis.from_url(config.broker_url) as broker:
        return int(broker.llen("orders"))


# The machinery.


def test_without_a_name_the_shop_is_honest(config: Config) -> None:
    assert parts_of(config) == Parts()


def test_an_honest_shop_does_not_even_load_them() -> None:
    code = "import sys, target.api.app, target.worker.tasks, target.__main__; sys.exit('target.mutants' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", sorted(MUTANTS))
def test_each_says_loudly_what_it_is(name: str, config: Config, caplog: pytest.LogCaptureFixture) -> None:
    known = MUTANTS[name]
    batch = 10 if known.batched else 1
    found = parts_of(replace(config, mutant=name, scheme=known.scheme, dispatch=known.dispatch, batch=batch))
    assert found != Parts()
    (said,) = caplog.records
    assert said.levelname == "WARNING"
    assert said.getMessage() == f"MUTANT {name}: this shop is wrong on purpose: {known.what}"


@pytest.mark.parametrize("name", sorted(MUTANTS))
def test_each_belongs_to_one_scheme(name: str, config: Config) -> None:
    with pytest.raises(ConfigError, match=f"SHOP_MUTANT={name}: expected SHOP_SCHEME="):
        parts_of(replace(config, mutant=name, scheme="row_lock"))


@pytest.mark.parametrize(("name", "batch", "expected"), [("failed_batch", 1, "above 1"), ("early_ack", 5, "of 1")])
def test_some_belong_to_batches_and_some_do_not(name: str, batch: int, expected: str, config: Config) -> None:
    with pytest.raises(ConfigError, match=f"SHOP_MUTANT={name}: expected a SHOP_BATCH {expected}, found {batch}"):
        parts_of(replace(config, mutant=name, dispatch="queued", batch=batch))


def test_the_manifest_names_each_with_what_it_is(root: Path) -> None:
    listed = tomllib.loads((root / "target/shop.toml").read_text(encoding="utf-8"))["mutants"]
    assert {name: entry["what"] for name, entry in listed.items()} == {name: m.what for name, m in MUTANTS.items()}
    for name, entry in listed.items():
        experiment = {"scheme": "tokens", "dispatch": "queued", **entry["experiment"]}
        assert (experiment["scheme"], experiment["dispatch"]) == (MUTANTS[name].scheme, MUTANTS[name].dispatch)


@pytest.mark.parametrize(
    "command",
    [
        ["-m", "target", "prepare"],
        ["-m", "celery", "-A", "target.worker.celery", "worker"],
        ["-m", "uvicorn", "target.api.app:app", "--port", "0"],
    ],
    ids=["prepare", "worker", "api"],
)
def test_every_process_refuses_an_unknown_one(
    command: list[str], config: Config, shop_environment: Callable[[Config], dict[str, str]]
) -> None:
    env = shop_environment(replace(config, mutant="nice_try"))
    done = subprocess.run(
        [sys.executable, *command], env=env, capture_output=True, text=True, timeout=60, check=False, encoding="utf-8"
    )
    assert done.returncode not in (0, None)
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("shop: SHOP_MUTANT: expected all_duplicates or ")
    assert last.endswith("found 'nice_try'")


def test_a_changed_script_must_have_what_is_changed() -> None:
    with pytest.raises(ValueError, match="once in the script, found it 0 times"):
        changed(CLAIM, ("RPOP", "LPOP"))


def test_bad_luck_strikes_every_tenth(config: Config) -> None:
    assert [n for n in range(1, 41) if unlucky(config.number(n))] == [10, 20, 30, 40]


# Each mistake.


def test_off_by_one_sells_one_more(mutant: Any, rows: Any) -> None:
    sale = mutant("off_by_one")
    rows.table = "unguarded_orders"
    for shop, sold in ((sale, 21), (honest(sale), 20)):
        parts_of(shop).scheme(shop).prepare()
        herd(shop, people(30))
        assert len(rows.all()) == sold


def test_reseed_in_backlog_promises_what_is_queued(mutant: Any) -> None:
    sale = mutant("reseed_in_backlog")
    promised = Counter(each for each in herd(sale, people(60)) if each.startswith(sale.sale))
    assert set(promised) == {sale.number(unit) for unit in range(1, 21)}
    assert set(promised.values()) == {2}


def test_reseed_in_backlog_leaves_alone_what_has_a_row(mutant: Any) -> None:
    sale = mutant("reseed_in_backlog")
    said = herd(honest(sale), people(20))
    place(honest(sale), *[Claim(number, buyer) for number, buyer in zip(said, people(20), strict=True)])
    assert herd(sale, ["late"]) == ["SoldOut"]


def test_no_unique_keeps_what_is_delivered_twice(mutant: Any, rows: Any) -> None:
    sale = mutant("no_unique")
    orders = [Claim(sale.number(unit), f"b-{unit}") for unit in range(1, 21)]
    place(sale, *orders)
    rows.table = "unguarded_orders"
    stored = Counter(number for number, _ in rows.all())
    assert [number for number, count in stored.items() if count == 2] == [sale.number(10), sale.number(20)]
    place(honest(sale), *orders, *orders)
    rows.table = "orders"
    assert len(rows.all()) == 20


def test_answer_before_enqueue_promises_what_never_gets_there(mutant: Any) -> None:
    sale = mutant("answer_before_enqueue")
    said = herd(sale, people(30))
    assert sum(each.startswith(sale.sale) for each in said) == 20
    assert queue_length(sale) == 18


def test_early_ack_differs_in_when_it_acknowledges(mutant: Any) -> None:
    sale = mutant("early_ack")
    wrong, right = parts_of(sale).celery(sale).conf, create_celery(sale).conf
    assert (wrong.task_acks_late, wrong.task_reject_on_worker_lost) == (False, False)
    assert (right.task_acks_late, right.task_reject_on_worker_lost) == (True, True)
    assert wrong.task_annotations == right.task_annotations


def test_swallowed_error_says_placed_and_writes_nothing(mutant: Any, rows: Any) -> None:
    sale = mutant("swallowed_error")
    said = place(sale, *[Claim(sale.number(unit), f"b-{unit}") for unit in range(1, 21)])
    assert set(said) == {"placed"}
    assert len(rows.all()) == 18


def test_failed_batch_says_placed_and_writes_none_of_it(mutant: Any, rows: Any) -> None:
    sale = mutant("failed_batch")
    for shop, stored in ((sale, 6), (honest(sale), 20)):
        placing = parts_of(shop).orders(shop, 1)
        for units in (range(1, 7), range(7, 14), range(14, 21)):
            assert set(placing.place_all([Claim(sale.number(n), f"b-{n}") for n in units])) <= {"placed", "redelivered"}
        placing.close()
        assert len(rows.all()) == stored


def test_claim_before_check_loses_a_number_a_click(mutant: Any, store: redis.Redis) -> None:
    sale = mutant("claim_before_check")
    keys = Keys.of(sale.sale)
    for shop, left in ((sale, 17), (honest(sale), 19)):
        parts_of(shop).scheme(shop).prepare()
        said = herd(shop, ["b-1", "b-1", "b-1"])
        assert sorted(said) == ["AlreadyBought", "AlreadyBought", sale.number(1)]
        assert (store.llen(keys.tokens), store.hlen(keys.claims)) == (left, 1)


def test_pop_then_crash_leaves_no_trace_of_the_number(mutant: Any, store: redis.Redis) -> None:
    sale = mutant("pop_then_crash")
    said = herd(sale, people(20))
    assert said.count("Unavailable") == 2
    keys = Keys.of(sale.sale)
    assert (store.llen(keys.tokens), store.hlen(keys.claims), queue_length(sale)) == (0, 0, 18)


def test_push_back_on_timeout_promises_what_is_late(mutant: Any) -> None:
    sale = mutant("push_back_on_timeout")
    promised = Counter(each for each in herd(sale, people(60)) if each.startswith(sale.sale))
    assert set(promised.values()) == {2}
    assert set(herd(honest(sale), ["late"])) == {"SoldOut"}


def promised_twice(sale: Config, said: list[str]) -> set[str]:
    return {number for number, count in Counter(said).items() if count > 1 and number.startswith(sale.sale)}


def test_unfenced_sells_what_another_process_has_queued(mutant: Any) -> None:
    sale = mutant("unfenced")

    async def work(shop: Scheme) -> list[str]:
        return [await outcome(shop, buyer) for buyer in people(22)]

    assert promised_twice(sale, at(sale, work)) == {sale.number(10), sale.number(20)}

    async def fenced(_: Scheme) -> list[str]:
        shop = unfenced.TwoProcesses(sale)  # with the pipeline that there is
        try:
            return await work(shop)
        finally:
            await shop.close()

    parts_of(honest(sale)).scheme(honest(sale)).prepare()
    said = at(honest(sale), fenced)
    assert promised_twice(sale, said) == set()
    assert len(set(said[:20])) == 20


def test_repeated_pipeline_gives_back_what_it_has_just_sold(mutant: Any) -> None:
    sale = mutant("repeated_pipeline")

    async def work(shop: Scheme) -> list[str]:
        return [await outcome(shop, buyer) for buyer in people(22)]

    assert promised_twice(sale, at(sale, work)) == {sale.number(10), sale.number(20)}

    async def once(_: Scheme) -> list[str]:
        config = honest(sale)
        shop = repeated_pipeline.AsksAgain(
            config, refused_after_the_click.Refusing(config, after_s=0), repeated_pipeline.Forgetful(config)
        )
        try:
            return await work(shop)
        finally:
            await shop.close()

    parts_of(honest(sale)).scheme(honest(sale)).prepare()
    said = at(honest(sale), once)
    assert said == [sale.number(unit) for unit in range(1, 21)] + ["SoldOut"] * 2


def clicked_twice(config: Config, shop: Any) -> list[str]:
    """What b-0 to b-9 and then b-late are told, each number that any click was told."""

    async def told(buyer: str) -> str:
        try:
            return str(await shop.buy(buyer))
        except AlreadyBought as error:
            return error.number
        except (SoldOut, Unavailable) as error:
            return type(error).__name__

    async def work(_: Scheme) -> list[str]:
        said = await asyncio.gather(*[told(f"b-{n // 2}") for n in range(20)])
        said.append(await told("b-late"))
        await shop.close()
        return said

    return at(config, work)


@pytest.mark.parametrize("name", ["told_too_early", "refused_after_the_click"])
def test_a_second_click_is_told_a_number_that_is_sold_to_another(name: str, mutant: Any) -> None:
    sale = mutant(name)
    said = clicked_twice(honest(sale), parts_of(sale).scheme(sale))
    assert said.count(sale.number(10)) == 2
    assert said[-1] == sale.number(10)


def test_a_second_click_at_the_same_broker_is_told_nothing_before_its_time(mutant: Any) -> None:
    sale = honest(mutant("told_too_early"))
    said = clicked_twice(sale, TokensReconciled(sale, refused_after_the_click.Refusing(sale)))
    assert said.count("NotSent") == 2
    assert said.count(sale.number(10)) == 1


def test_forgetful_limiter_has_room_whatever_runs(mutant: Any) -> None:
    sale = mutant("forgetful_limiter", limiter="flat", rate_per_s=50.0)
    module, _, name = parts_of(sale).celery(sale).conf.worker_consumer.partition(":")
    assert (module, name) == (forgetful_limiter.__name__, "Consumer")
    forgets, counts = forgetful_limiter.Forgetful(3.0, lambda _: True), Felt(3.0, lambda _: True)
    for felt in (forgets, counts):
        felt.begin(["r1", "r2", "r3"])
    assert (forgets.has_room(), counts.has_room()) == (True, False)


def test_in_step_has_every_worker_in_the_first_place(mutant: Any) -> None:
    sale = mutant("in_step", limiter="shared", rate_per_s=50.0, workers=4)
    pace = parts_of(sale).celery(sale).conf.task_annotations[PLACE_ORDER]["pace"](50.0, 2)
    assert pace.take() == 0
    assert pace.away_until_s is not None
    assert pace.share._phase_s == 0


def test_no_buyer_guard_sells_a_second_unit(mutant: Any, rows: Any) -> None:
    sale = mutant("no_buyer_guard")
    assert herd(sale, ["b-1", "b-1"]) == [sale.number(1), sale.number(2)]
    place(sale, Claim(sale.number(1), "b-1"), Claim(sale.number(2), "b-1"))
    rows.table = "unguarded_orders"
    assert rows.all() == [(sale.number(1), "b-1"), (sale.number(2), "b-1")]


def test_all_duplicates_sells_nothing(mutant: Any, store: redis.Redis) -> None:
    sale = mutant("all_duplicates")
    assert set(herd(sale, people(30))) == {"AlreadyBought"}
    assert store.llen(Keys.of(sale.sale).tokens) == 20


def test_stale_status_says_for_ever_what_it_said_first(mutant: Any) -> None:
    sale = mutant("stale_status")
    for shop, then in ((sale, "queued"), (honest(sale), "confirmed")):
        parts_of(shop).scheme(shop).prepare()

        async def ask(selling: Scheme, shop: Config = shop) -> list[str | None]:
            number = await selling.buy("b-1")
            first = await selling.status(number, "b-1")
            await asyncio.to_thread(place, honest(shop), Claim(number, "b-1"))
            return [first, await selling.status(number, "b-1")]

        assert at(shop, ask) == ["queued", then]


def test_misread_result_rejects_what_it_has_written(mutant: Any, rows: Any, store: redis.Redis) -> None:
    sale = mutant("misread_result")
    said = place(sale, *[Claim(sale.number(unit), f"b-{unit}") for unit in range(1, 21)])
    assert Counter(said) == {"placed": 18, "rejected": 2}
    assert len(rows.all()) == 20
    assert store.hlen(Keys.of(sale.sale).rejected) == 2


def test_mark_before_stock_turns_away_who_got_nothing(mutant: Any) -> None:
    sale = mutant("mark_before_stock")
    for shop, again in ((sale, "AlreadyBought"), (honest(sale), "SoldOut")):
        parts_of(shop).scheme(shop).prepare()
        herd(shop, people(20))
        assert [herd(shop, ["late"]), herd(shop, ["late"])] == [["SoldOut"], [again]]


def test_no_limiter_has_none(mutant: Any) -> None:
    sale = mutant("no_limiter", limiter="flat", rate_per_s=50.0)
    assert parts_of(sale).celery(sale).conf.task_annotations == {PLACE_ORDER: {}}
    assert create_celery(sale).conf.task_annotations == {PLACE_ORDER: {"rate_limit": "50.0/s", "burst": 2}}


def test_native_limiter_is_celerys_own(mutant: Any) -> None:
    sale = mutant("native_limiter", limiter="flat", rate_per_s=50.0)
    wrong, right = parts_of(sale).celery(sale).conf, create_celery(sale).conf
    assert wrong.worker_consumer == "celery.worker.consumer:Consumer"
    assert right.worker_consumer == "target.limiter.consumer:Consumer"
    assert wrong.task_annotations == right.task_annotations
