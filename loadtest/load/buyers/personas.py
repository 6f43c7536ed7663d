"""Base classes that add to what a `Buyer` can do: reload the page, retry. A scenario's class may inherit from several."""

from typing import Any

import gevent
from locust import tag, task

from loadtest.load.buyers.buyer import Buyer, sleep_until
from loadtest.load.buyers.recorder import Answer
from loadtest.load.now import now_ns

GOLDEN = 0.618_033_988_749_895


class Shopper(Buyer):
    """The plain buyer: loads the page, waits for T0 or for their own time after it, clicks, and follows each order that was taken."""

    abstract = True

    @tag("buy")  # type: ignore[untyped-decorator]
    @task  # type: ignore[untyped-decorator]
    def shop(self) -> None:
        """Loads the page, buys, and follows each order that was taken."""
        self.warm()
        for answer in self.buy_at_t0():
            if answer.ordered:
                self.follow(answer)


class Refresher(Buyer):
    """Can reload the countdown page before T0."""

    abstract = True

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self._lookout: Any = None

    def refresh(self) -> None:
        """Waits `presale_s`, unless T0 is set already. A refresher reloads the countdown page every `refresh_s` from now until T0.

        The reloads have a connection of their own, so that one that is unanswered at T0 does not delay the click.
        """
        presale_s = self.sale.experiment.traffic.presale_s
        if self.sale.gate.t0_ns is None and presale_s:
            if self._persona.refreshes:
                self._lookout = gevent.spawn(self._look_until_t0)
            gevent.sleep(presale_s)

    def on_stop(self) -> None:
        """Stops reloading and closes the connections."""
        if self._lookout is not None:
            self._lookout.kill(block=False)
        super().on_stop()

    def _look_until_t0(self) -> None:
        if self._warm is None:
            return
        step_s = self.sale.experiment.traffic.refresh_s
        [connection] = self.lines(self.sale.experiment.arrivals.timeout_s, 1)
        # Multiples of the golden ratio modulo 1 are spread evenly for any number of buyers: reloads do not coincide.
        due_ns = now_ns() + int(self._ordinal * GOLDEN % 1 * step_s * 1e9)
        try:
            while not self.sale.gate.opens_before(due_ns):
                self._exchange(self._warm, due_ns, connection)
                due_ns = max(due_ns + int(step_s * 1e9), now_ns())
        finally:
            connection.close()


class Stubborn(Buyer):
    """Can retry a buy request that failed."""

    abstract = True

    def retry(self, answer: Answer) -> Answer:
        """Retries up to `retries` times, while the answer is worth it (see `Answer.worth_a_retry`). Returns the last answer.

        Each retry is an operation of its own in the history, of kind `retry`, due when the backoff is over.
        """
        for tries in range(1, self.sale.experiment.traffic.retries + 1):
            if not answer.worth_a_retry:
                break
            due_ns = now_ns() + int(self.sale.crowd.backoff_s(self._ordinal, tries) * 1e9)
            sleep_until(due_ns)
            answer = self._purchase("retry", due_ns, self._connections[0])
        return answer
