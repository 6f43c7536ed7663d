"""200 run directories, each of a correct sale with one random corruption: the verdict is the one that this corruption deserves.

The seed is printed, and can be given: ``CORRUPTIONS_SEED=7 pytest …``.
"""

import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, note, seed, settings
from hypothesis import strategies as st

from loadtest.judge.verdict import judge

SEED = int(os.environ.get("CORRUPTIONS_SEED", "20261111"))
EXAMPLES = 200
SECOND_NS = 10**9
RATE_PER_S = 4.0


class Sold:
    """A correct sale: numbers `s-1` … of the first buyers, in order; `losers` were told sold-out, a few were not answered."""

    def __init__(self, history, rng, limited):
        self.rng, self.limited = rng, limited
        self.stock = rng.randint(13, 16) if limited else rng.randint(3, 8)
        limits = {"limiter_kind": "flat", "configured_per_s": RATE_PER_S, "burst": 2} if limited else {}
        self.told = history(self.stock, near_misses=rng.randrange(3), **limits)
        self.winners = [f"b-{n}" for n in range(1, self.stock + 1)]
        self.losers = [f"b-{n}" for n in range(self.stock + 1, self.stock * rng.randint(2, 3) + 2)]
        self._win()
        self._lose()
        self._sample()

    def _win(self):
        for n, buyer in enumerate(self.winners, 1):
            number, at = f"s-{n}", n / 1000
            written = 0.1 + n / RATE_PER_S if self.limited else at + 0.02 + self.rng.random() / 10
            if n > 2 and self.rng.random() < 0.2:
                self.told.buys(buyer, "unknown", at=at, took=self.rng.choice([None, 0.5]), http=None)
            else:
                self.told.buys(buyer, won=number, at=at)
                if self.rng.random() < 0.3:
                    self.told.buys(buyer, again=number, at=at + 1)
                if self.rng.random() < 0.3:
                    self.told.asks_status(buyer, number, "confirmed", at=written + 1)
            self.told.row(number, buyer, at=written)
            if self.rng.random() < 0.5:
                self.told.claim(number, buyer)

    def _lose(self):
        for n, buyer in enumerate(self.losers):
            outcome = self.rng.choice(["sold_out"] * 8 + ["unknown"]) if 2 < n < len(self.losers) / 2 else "sold_out"
            self.told.buys(buyer, outcome, at=0.5 + n / 1000, http=410 if outcome == "sold_out" else None)

    def _sample(self):
        if self.limited:
            self.told.backlog(0, 0.1 + self.stock / RATE_PER_S).queue_reads(0.3 + self.stock / RATE_PER_S, 6)
        if self.rng.random() < 0.5:
            self.told.with_sale(db_offset_ns=self.rng.randrange(10**6), db_uncertainty_ns=10**6, sampler_hz=10.0)
            self.told.with_sale(read_ns=self.told.sale["t0_ns"] + 12 * SECOND_NS)
        if not self.limited and self.rng.random() < 0.3:
            self.told.asks_for("kill", "worker").fault("kill worker", observed=0.03, recovered=1.0, intended=0.0)

    def without(self, table, number):
        """The number is no longer in that final read."""
        self.told.tables[table] = [row for row in self.told.tables[table] if row["number"] != number]

    def answers(self):
        """The orders that were answered."""
        return [op for op in self.told.ops if op["k"] == "buy" and op["h"] is not None]

    def unsold(self):
        """Nobody won the first number, or asked for it."""
        self.without("orders", "s-1")
        self.without("claims", "s-1")
        self.told.ops = [op for op in self.told.ops if op["b"] != "b-1"]

    def promised(self):
        """The number and the buyer of a promise."""
        return self.rng.choice([(op["n"], op["b"]) for op in self.told.ops if op["k"] == "buy" and op["o"] == "won"])


# What is done to the sale before its directory is written.


def drop_a_row(sale):
    sale.without("orders", sale.promised()[0])


def copy_an_acknowledgement(sale):
    sale.told.buys("b-x", won=sale.promised()[0], at=0.002)


def swap_two_owners(sale):
    one, other = "b-1", "b-2"
    for row in sale.told.tables["orders"]:
        row["buyer"] = {one: other, other: one}.get(row["buyer"], row["buyer"])


def add_a_row_past_the_stock(sale):
    sale.told.buys("b-x", "unknown", at=0.002, http=None).row(f"s-{sale.stock + 1}", "b-x", at=5.5)


def store_a_row_twice(sale):
    number, buyer = sale.promised()
    sale.told.row(number, buyer, at=5.5)


def store_for_a_stranger(sale):
    number, _ = sale.promised()
    sale.without("orders", number)
    sale.told.row(number, "stranger", at=1)


def store_for_one_who_was_told_sold_out(sale):
    number, _ = sale.promised()
    sale.without("orders", number)
    sale.told.row(number, sale.losers[0], at=1)


def give_one_buyer_two(sale):
    sale.told.buys("b-1", won="s-2", at=0.002)


def forget_a_number(sale):
    sale.unsold()


def put_a_sold_number_back(sale):
    sale.told.token(sale.promised()[0])


def never_sell_one(sale):
    sale.unsold()
    sale.told.token("s-1").buys("b-y")


def tell_sold_out_first(sale):
    sale.told.buys("b-x", at=-1, took=0.5)


def leave_one_in_the_queue(sale):
    number, _ = sale.promised()
    sale.without("orders", number)
    sale.told.undrained().queued(number)


def confirm_what_was_not_stored(sale):
    number, buyer = sale.promised()
    sale.without("orders", number)
    sale.told.asks_status(buyer, number, "confirmed", at=5.5)


def reject_what_was_stored(sale):
    number, buyer = sale.promised()
    sale.told.asks_status(buyer, number, "rejected", at=5.5)


def lock_a_buyer_out(sale):
    sale.told.buys(sale.losers[0], "already_bought", kind="retry", at=1, http=409)


def collapse(sale):
    for n, row in enumerate(sale.told.tables["orders"], 1):
        row["created_ns"] = sale.told.sale["t0_ns"] + n * SECOND_NS
    sale.told.samples.clear()
    sale.told.backlog(0, sale.stock).sale.pop("read_ns", None)


def flood(sale):
    for row in sale.told.tables["orders"]:
        row["created_ns"] = sale.told.sale["t0_ns"] + SECOND_NS


def collapse_unseen(sale):
    collapse(sale)
    sale.told.samples.clear()
    sale.told.queue_reads(0, sale.stock, ready=1, hz=sale.rng.choice([0.3, 0.5, 0.7]))


def collapse_while_the_sampler_is_dead(sale):
    collapse(sale)
    until_ns = sale.told.sale["t0_ns"] + SECOND_NS
    sale.told.samples = [each for each in sale.told.samples if each["t"] < until_ns]


def remove_the_samples(sale):
    sale.told.samples.clear()


def answer_nobody_who_lost(sale):
    for op in sale.told.ops:
        if op["b"] in sale.losers[1:]:
            op |= {"o": "unknown", "h": None, "x": "no answer in 10 s"}


def answer_most_as_no_rule_says(sale):
    for op in sale.answers():
        if op["o"] == "sold_out" and op["b"] != sale.losers[0]:
            op |= {"o": "unknown", "h": 418}
    for n in range(2 * sale.stock):
        sale.told.buys(f"c-{n}", "unknown", http=418, at=0.6)


def let_some_never_leave(sale):
    for n in range(len(sale.told.ops)):
        sale.told.buys(f"c-{n}", "refused", http=None, error="connect: cannot assign requested address", at=3)


def tell_nobody_sold_out(sale):
    for op in sale.told.ops:
        if op["o"] == "sold_out":
            op["o"] = "throttled"


def kill_a_process(sale):
    sale.told.dies("worker-1", -9, at=0.5)


def ask_for_a_fault(sale):
    sale.told.asks_for("kill", "api")


def never_recover(sale):
    sale.told.asks_for("kill", "api").fault(
        "kill api", observed=0.01, recovered=None, healed=sale.rng.choice([None, 0.5])
    )


def never_observe(sale):
    sale.told.asks_for("kill", "api").fault("kill api", observed=None, recovered=1.0)


def break_what_is_idle(sale):
    sale.told.fault("kill api", observed=8.0, recovered=9.0)


def drop_a_time_zone(sale):
    hours = sale.rng.choice([-8, -5.5, 1, 8, 9.5])
    for row in sale.told.tables["orders"]:
        row["created_ns"] += round(hours * 3600 * SECOND_NS)


def date_rows_before_t0(sale):
    sale.told.tables["orders"][0]["created_ns"] = sale.told.sale["t0_ns"] - 2 * SECOND_NS


def lose_the_databases_clock(sale):
    sale.told.with_sale(db_offset_ns=0, db_uncertainty_ns=sale.rng.randint(11, 90) * 10**8)


# And what matters not.


def nothing(sale):
    pass


def lose_an_answer(sale):
    _, buyer = sale.promised()
    for op in sale.told.ops:
        if op["b"] == buyer and op["k"] == "buy":
            op |= {"o": "unknown", "n": None, "h": None}


def shuffle_everything(sale):
    for rows in (sale.told.ops, sale.told.samples, *sale.told.tables.values()):
        sale.rng.shuffle(rows)


def look_more_often(sale):
    for n in range(20):
        sale.told.buys(sale.rng.choice(sale.losers), "ok", kind="page", at=n / 10)


def forget_the_claims(sale):
    sale.told.tables["claims"].clear()


def as_an_older_run(sale):
    for column in ("db_offset_ns", "db_uncertainty_ns", "read_ns", "sampler_hz"):
        sale.told.sale.pop(column, None)


def move_a_clock(sale):
    """One who won late by a clock that was seen to move by more."""
    sale.told.generator(1, planned=0)
    sale.told.sample("generator", "g1.clock_offset_ms", 400, 1).sample("generator", "g1.clock_uncertainty_ms", 0.1, 1)
    last = next(op for op in sale.told.ops if op["b"] == sale.winners[-1])
    shift = 600_000_000 - (last["s"] - sale.told.sale["t0_ns"])
    if last["o"] == "won":
        last |= {key: last[key] + shift for key in "ste"}


# What is done to the directory.


def damage(run_dir, rng):
    path = run_dir / rng.choice(
        [f"final/{name}.parquet" for name in ("orders", "tokens", "claims", "queue", "seeded", "rejected")]
        + ["sale.parquet"]
    )
    if rng.random() < 0.5:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: rng.randrange(path.stat().st_size)])


def garble_the_history(run_dir, rng):
    path = run_dir / "history" / "g1.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    place = rng.randrange(len(lines) - 1)
    lines[place] = lines[place][: len(lines[place]) // 2] + "\n"
    path.write_text("".join(lines), encoding="utf-8")


def garble_the_faults(run_dir, rng):
    (run_dir / "faults.jsonl").write_text('{"fault": "kill api", "observed_ns": \n', encoding="utf-8")


def lose_the_history(run_dir, rng):
    (run_dir / "history" / "g1.jsonl").unlink()


def tear_the_end(run_dir, rng):
    with (run_dir / "history" / "g1.jsonl").open("ab") as file:
        file.write(b'{"b":"b-1","k":"bu' + b"\0" * rng.randrange(5000))


def write_lines_in_another_order(run_dir, rng):
    path = run_dir / "history" / "g1.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    rng.shuffle(lines)
    path.write_text("".join(lines), encoding="utf-8")


@dataclass(frozen=True)
class Corruption:
    """What is done, to the sale or to its directory; the verdicts that it may have, and the check or words that it must have.

    `limited`: only in a sale with a limiter, or only in one without.
    """

    states: str
    names: str
    sale: Callable = nothing
    directory: Callable | None = None
    limited: bool | None = None
    folder: str = "run"

    def __str__(self):
        return f"{(self.directory or self.sale).__name__} in {self.folder}: {self.states} {self.names}"


def invalid(check, change, **how):
    return Corruption("INVALID", check, change, **how)


def unknown(words, change, **how):
    return Corruption("UNKNOWN", words, change, **how)


CORRUPTIONS = [
    invalid("lost", drop_a_row),
    invalid("double_promise", copy_an_acknowledgement),
    invalid("wrong_owner", swap_two_owners),
    invalid("oversell", add_a_row_past_the_stock),
    invalid("duplicate", store_a_row_twice),
    invalid("phantom", store_for_a_stranger),
    invalid("phantom", store_for_one_who_was_told_sold_out),
    invalid("per_buyer", give_one_buyer_two),
    invalid("leaked", forget_a_number),
    invalid("leaked", put_a_sold_number_back),
    invalid("undersell", never_sell_one),
    invalid("sold_out_early", tell_sold_out_first),
    invalid("drain", leave_one_in_the_queue),
    invalid("told_untrue", confirm_what_was_not_stored),
    invalid("told_untrue", reject_what_was_stored),
    invalid("lockout", lock_a_buyer_out),
    invalid("flatness", collapse, limited=True),
    invalid("flatness", flood, limited=True),
    Corruption("INVALID UNKNOWN", "", collapse_unseen, limited=True),
    Corruption("INVALID UNKNOWN", "", collapse_while_the_sampler_is_dead, limited=True),
    unknown("there are no samples", remove_the_samples, limited=True),
    Corruption("VALID", "", remove_the_samples, limited=False),
    unknown("buyers without a unit had no answer", answer_nobody_who_lost),
    unknown("which http.buy.outcomes does not name", answer_most_as_no_rule_says),
    unknown("orders never left", let_some_never_leave),
    unknown("nobody was told sold-out", tell_nobody_sold_out),
    unknown("nobody asked for it", kill_a_process),
    unknown("is not in the log", ask_for_a_fault),
    unknown("fault kill api", never_recover, limited=False),
    unknown("was never observed", never_observe, limited=False),
    unknown("no order was under way", break_what_is_idle),
    unknown("without its time zone", drop_a_time_zone),
    unknown("before T0", date_rows_before_t0),
    unknown("the database's clock is known within", lose_the_databases_clock),
    unknown("", nothing, directory=damage),
    unknown("history does not parse", nothing, directory=garble_the_history),
    unknown("faults.jsonl does not parse", nothing, directory=garble_the_faults),
    unknown("ops missing", nothing, directory=lose_the_history),
    Corruption("VALID", "", nothing),
    Corruption("VALID", "", lose_an_answer),
    Corruption("VALID", "", shuffle_everything),
    Corruption("VALID", "", look_more_often),
    Corruption("VALID", "", forget_the_claims),
    Corruption("VALID", "", as_an_older_run),
    Corruption("VALID", "", move_a_clock, limited=False),
    Corruption("VALID", "", directory=tear_the_end),
    Corruption("VALID", "", directory=write_lines_in_another_order),
    *(Corruption("VALID", "", folder=name) for name in ("per_buyer=2", "stock=100", "outcome=won", "r[ua]n*?", "it's")),
    *(invalid("per_buyer", give_one_buyer_two, folder=name) for name in ("per_buyer=2", "buyer=b-1")),
]  # fmt: skip


def judged_wrongly(corruption, verdict):
    """What is wrong with the verdict over a sale with this corruption; None where nothing is."""
    failed = [check.name for check in verdict.checks if check.verdict == "INVALID"]
    told = " | ".join(doubt.text for doubt in verdict.doubts)
    if verdict.verdict not in corruption.states.split():
        return f"{verdict.verdict}: {verdict.sentence}; {failed}; {told}"
    if corruption.states == "INVALID" and corruption.names not in failed:
        return f"{corruption.names} is not among {failed}"
    if corruption.states == "UNKNOWN" and corruption.names not in told:
        return f"{corruption.names!r} is not among {told}"
    return None


@pytest.fixture(scope="module", autouse=True)
def told_seed():
    print(f"CORRUPTIONS_SEED={SEED}")


@seed(SEED)
@settings(
    max_examples=EXAMPLES, database=None, deadline=None, phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
@given(random_seed=st.integers(0, 2**32 - 1), turn=st.integers(0, 10**6))
def test_a_corruption_gets_the_verdict_that_it_deserves(history, tmp_path_factory, random_seed, turn):
    corruption = CORRUPTIONS[turn % len(CORRUPTIONS)]
    rng = random.Random(random_seed)
    note(f"{corruption} (CORRUPTIONS_SEED={SEED}, example of seed {random_seed})")
    sale = Sold(history, rng, rng.random() < 0.4 if corruption.limited is None else corruption.limited)
    corruption.sale(sale)
    run_dir = Path(tmp_path_factory.mktemp("corrupted")) / corruption.folder
    run_dir.mkdir()
    sale.told.write(run_dir)
    if corruption.directory:
        corruption.directory(run_dir, rng)
    assert judged_wrongly(corruption, judge(run_dir)) is None
