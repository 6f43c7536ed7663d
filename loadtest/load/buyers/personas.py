"""Buyers with habits: verbs for the stories that scenarios tell, on top of `Buyer`'s. A class may have several of these."""

from time import time_ns
from typing import Any

import gevent
from locust import tag, task
from msgspec.structs import replace

from loadtest.load.buyers.buyer import Buyer, sleep_until
from loadtest.load.buyers.recorder import Answer, begun

GOLDEN = 0.618_033_988_749_895


class Shopper(Buyer):
    """The plain story: looks at the page, waits for the sale or for their time, clicks, and watches each order they won."""

    abstract = True

    @tag("buy")  # type: ignore[untyped-decorator]
    @task  # type: ignore[untyped-decorator]
    def shop(self) -> None:
        """The whole of it."""
        self.warm()
        for answer in self.buy_at_t0():
            if answer.outcome == "won":
                self.follow(answer)


class Refresher(Buyer):
    """Cannot wait: reloads the countdown page before T0."""

    abstract = True

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self._lookout: Any = None

    def refresh(self) -> None:
        """Waits `presale_s`. A refresher reloads the countdown page meanwhile, and on until T0, every `refresh_s`.

        Those looks have a connection of their own: one that is unanswered at T0 does not hold up the click.
        """
        presale_s = self.sale.experiment.traffic.presale_s
        if self.sale.gate.t0_ns is None and presale_s:
            if self._persona.refreshes:
                self._lookout = gevent.spawn(self._look_until_t0)
            gevent.sleep(presale_s)

    def on_stop(self) -> None:
        """Hangs up, and looks no more."""
        if self._lookout is not None:
            self._lookout.kill(block=False)
        super().on_stop()

    def _look_until_t0(self) -> None:
        step_s = self.sale.experiment.traffic.refresh_s
        [connection] = self.lines(self.sale.experiment.arrivals.timeout_s, 1)
        # Phases lie evenly between 0 and 1, in whatever order buyers come: no two refreshers look in step.
        due_ns = time_ns() + int(self._ordinal * GOLDEN % 1 * step_s * 1e9)
        try:
            while not self.sale.gate.opens_before(due_ns):
                self._exchange(self._warm, due_ns, connection)
                due_ns = max(due_ns + int(step_s * 1e9), time_ns())
        finally:
            connection.close()


class Stubborn(Buyer):
    """Asks again when nobody answers."""

    abstract = True

    def retry(self, answer: Answer) -> Answer:
        """Asks again, up to `retries` times, while there is no answer or one that asks for patience, and returns the last.

        Each retry is an operation of its own, due when the backoff is over.
        """
        again = replace(self._buy, kind="retry", begun=begun(self.name, "retry"))
        for tries in range(1, self.sale.experiment.traffic.retries + 1):
            if not answer.worth_a_retry:
                break
            due_ns = time_ns() + int(self.sale.crowd.backoff_s(self._ordinal, tries) * 1e9)
            sleep_until(due_ns)
            answer = self._exchange(again, due_ns, self._connections[0])
        return answer
