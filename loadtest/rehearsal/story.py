"""The rehearsal itself: one buyer does everything, others buy what is left, one comes too late; then the stores are read."""

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

from loadtest.errors import HarnessError
from loadtest.experiment.schema import Experiment
from loadtest.ledger.rows import Row
from loadtest.manifest.shop import Shop
from loadtest.rehearsal.clicks import Clicks
from loadtest.rehearsal.comparing import Finals
from loadtest.rehearsal.small import MOST, tells_stock
from loadtest.rehearsal.stage import Stage, services_of, stage
from loadtest.rehearsal.telling import Telling
from loadtest.rehearsal.unjudged import tell_unjudged
from loadtest.rehearsal.visitor import Visitor
from loadtest.rehearsal.wire import Wire
from loadtest.sale.beforehand.plan import plan
from loadtest.stack.external import Given
from loadtest.talk.roster import Roster, read_roster

# Kinds of queue of which only that shows whether orders are in it: the others know who takes from them.
SEEN_WHEN_HELD = ("redis_list", "redis_stream", "command")
SHOWN = 3
ROWS_WAIT_S = 10.0
STANDS_STILL_S = 1.5


def rehearse(experiment: Experiment, given: Given, telling: Telling) -> bool:
    """Rehearse a sale, and tell it. Whether the manifest is sound.

    1. Start the services; prepare, start and read the shop, as a run does.
    2. One buyer warms up, takes every step, buys, buys again, and asks what became of it.
    3. Others buy what is left, and one comes after them.
    4. Read everything, and hold it against what they were told.
    5. Say what a sale could not judge.

    Raises:
        UsageError: the manifest or the experiment is wrong, or a given service does not answer. Nothing was started.
    """
    planned = plan(experiment, given)
    shop, shop_file = planned.shop, planned.shop_file
    roster = read_roster(shop.buyers, planned.buyers_file, experiment)
    telling.section("The shop")
    try:
        with (
            services_of(experiment, given, telling) as (services, supervisor, folder),
            stage(experiment, shop, shop_file, services, supervisor, folder, telling) as there,
        ):
            Rehearsal(experiment, shop, roster, there, telling).hold()
    except HarnessError as error:
        first, _, rest = str(error).partition("\n")
        telling.wrong(
            "the shop is ready",
            first,
            "mend what is said above" + ("; the lines below it are the end of its log" if rest else ""),
            detail=rest.splitlines(),
        )
    return not telling.wrong_lines


@dataclass
class Rehearsal:
    """One rehearsal on a shop that is ready."""

    experiment: Experiment
    shop: Shop
    roster: Roster
    stage: Stage
    telling: Telling
    visitors: list[Visitor] = field(default_factory=list)

    def hold(self) -> None:
        """Steps 2 to 5 of `rehearse`."""
        told_stock = tells_stock(self.shop)
        stock = sum(self.stage.shop_stack.items().values()) or self.experiment.stock
        finals = Finals(self.shop.final_for(self.experiment.scheme), self.stage.reader, stock, self.telling)
        finals.before(told_stock)
        with ExitStack() as stack:
            self._stack = stack
            begun_ns = time.time_ns()
            clicks = Clicks(self.shop, self.experiment.per_buyer, self.telling, partial(self._settle, finals))
            first = self._visitor()
            self.telling.section("The first buyer", first.id)
            if not clicks.everything(first):
                return
            late = self._buy_out(clicks, finals, stock, told_stock)
            self.telling.section("What the stores have")
            rows = self._rows(finals, begun_ns, late)
            finals.rest(rows, told_stock)
            clicks.conclude(first, late, rows)
        tell_unjudged(self.shop, self.experiment, self.stage, self.telling)

    def _visitor(self) -> Visitor:
        ordinal = len(self.visitors)
        who = self.roster.buyer(ordinal)
        assert who is not None, "the roster was read for as many"
        wire = Wire(self.shop.http, self.stage.shop_stack.base_url, ordinal, self.experiment.arrivals.timeout_s)
        visitor = Visitor(self.shop.http, self.shop.sale, who, wire)
        self._stack.callback(visitor.leave)
        self.visitors.append(visitor)
        return visitor

    def _buy_out(self, clicks: Clicks, finals: Finals, stock: int, told_stock: bool) -> Visitor | None:
        """Others buy what is left, and one comes after them; who that was."""
        if not told_stock:
            self.telling.section("Nothing left")
            self.telling.grey(
                "sold out",
                "not tried: the manifest does not tell the shop {stock}, so how many are for sale is not known",
            )
            return None
        if stock > MOST:
            self.telling.section("Nothing left")
            self.telling.grey("sold out", f"not tried: {stock:,} are for sale; up to {MOST} are bought out")
            return None
        self.telling.section("Nothing left", f"{stock} were for sale")
        self._settle(finals)
        bought = max(finals.units(), sum(each.bought for each in self.visitors))
        others = [self._visitor() for _ in range(max(0, stock - bought))]
        with self._workers_held() as held:
            for each in others:
                if not clicks.quietly(each):
                    return None
            if held:
                self._tell_queue(held, len(others))
        for each in others:
            clicks.ask(each)
        if others:
            who = f"{len(others)} more buy" if len(others) > 1 else "one more buys"
            self.telling.good(f"{who} what is left", " and ".join(sorted({each.outcomes[-1] for each in others})))
        self._settle(finals)
        late = self._visitor()
        clicks.too_late(late)
        return late

    @contextmanager
    def _workers_held(self) -> Iterator[int]:
        """The shop's workers stand still while the context lasts, where that shows whether orders wait in the queue; how many there are."""
        queue, workers = self.shop.queue, []
        if queue and self.stage.queue and queue.kind in SEEN_WHEN_HELD:
            roles = [entry.role for entry in self.shop.process if entry.when == "queued" or "worker" in entry.role]
            workers = [process for role in roles for process in self.stage.processes.of(role)]
        try:
            for worker in workers:
                worker.signal_group(signal.SIGSTOP)
            yield len(workers)
        finally:
            for worker in workers:
                worker.signal_group(signal.SIGCONT)

    def _tell_queue(self, workers: int, orders: int) -> None:
        """What the queue has while the workers stand still. One that waits for an order is handed it all the same: it is in no queue then."""
        queue = self.stage.queue
        assert queue is not None
        depth, end = queue.depth(), time.monotonic() + 1
        while not depth.total and time.monotonic() < end:
            time.sleep(0.1)
            depth = queue.depth()
        what = "[queue], while the workers are held"
        if depth.total:
            numbers = [number for number, _ in islice(queue.entries(), SHOWN) if number]
            handed = "; a worker that waits for one was handed it" if depth.total < orders else ""
            self.telling.good(what, f"{depth.total} of {orders} orders wait in it{handed}", ", ".join(numbers))
            told = {each.number for each in self.visitors if each.number}
            if numbers and told and not told & set(numbers):
                self.telling.wrong(
                    "the numbers in [queue]", f"its entries tell such as {numbers[0]}, and answers such as {min(told)}",
                    "mend number under [queue] in the manifest: where an entry has the id that answers tell; or take it out",
                )  # fmt: skip
        elif orders > workers:
            self.telling.wrong(
                what, f"{orders} orders were taken, and none waits in it",
                "see whether [queue] name of the manifest is the one that your shop puts orders into",
            )  # fmt: skip

    def _rows(self, finals: Finals, begun_ns: int, late: Visitor | None) -> list[Row]:
        self._settle(finals)
        winners = [each for each in self.visitors if each.bought and each is not late]
        return finals.after(winners, self.visitors, begun_ns)

    def _settle(self, finals: Finals) -> None:
        """Wait until everybody who bought has a row, or rows stand still."""
        expected = sum(each.bought for each in self.visitors)
        end, last, since = time.monotonic() + ROWS_WAIT_S, -1, time.monotonic()
        while time.monotonic() < end:
            found = finals.units()
            if found >= expected and not self._waiting():
                return
            if found != last:
                last, since = found, time.monotonic()
            if time.monotonic() - since > (STANDS_STILL_S if not self._waiting() else ROWS_WAIT_S):
                return
            time.sleep(0.1)

    def _waiting(self) -> bool:
        """Whether orders wait in the queue, as far as it can be read."""
        try:
            return self.stage.queue is not None and self.stage.queue.depth().total > 0
        except Exception:
            return False
