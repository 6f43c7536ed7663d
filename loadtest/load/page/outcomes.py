"""Counts the shop's answers to buy requests, from Locust's events, over all processes."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from locust.runners import MasterRunner, WorkerRunner

from loadtest.manifest.http import Http
from loadtest.talk.heard import Response
from loadtest.talk.reading import BuyReader

PART = "flash_sale_outcomes"


class Outcomes:
    """Counts of buy requests since the test began, by what their answers meant.

    A worker sends its counts to the master with Locust's reports, and keeps none.
    """

    def __init__(self, environment: Any, runner: Any) -> None:
        self._counts: Counter[str] = Counter()
        self._buy: tuple[str, str] | None = None
        self._reader: BuyReader | None = None
        events = environment.events
        if isinstance(runner, WorkerRunner):
            events.report_to_master.add_listener(self._on_report)
        if isinstance(runner, MasterRunner):
            events.worker_report.add_listener(self._on_worker_report)
        else:
            events.request.add_listener(self._on_request)

    def counts(self) -> dict[str, int]:
        """Outcome → number of buy requests. An answer that no rule of the manifest names, and none at all, is `unknown`."""
        return dict(self._counts)

    def expect(self, http: Http, sale: str) -> None:
        """Starts over, for the buy request that `http` describes."""
        method, path = http.buy.request.split(" ", 1)
        self._buy = method, path.replace("{sale}", sale)
        self._reader = BuyReader(http.buy)
        self._counts.clear()

    def _on_request(
        self, request_type: str, name: str, response: Any = None, context: Mapping[str, Any] | None = None, **_: Any
    ) -> None:
        if (request_type, name) == self._buy:
            # Our buyers say what the answer meant; Locust's own clients, which a scenario may use, do not.
            self._counts[(context or {}).get("outcome") or self._read(response)] += 1

    def _read(self, response: Any) -> str:
        status = getattr(response, "status_code", 0)
        if not status or self._reader is None:
            return "unknown"
        headers = tuple((name.lower().encode(), value.encode()) for name, value in (response.headers or {}).items())
        return self._reader.read(Response(status, response.content or b"", headers), "").outcome

    def _on_report(self, data: dict[str, Any], **_: Any) -> None:
        data[PART] = dict(self._counts)
        self._counts.clear()

    def _on_worker_report(self, data: dict[str, Any], **_: Any) -> None:
        self._counts.update(data.get(PART, {}))
