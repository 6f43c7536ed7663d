"""Counts the shop's answers to buy requests, from Locust's events, over all processes."""

from collections import Counter
from typing import Any

from locust.runners import MasterRunner, WorkerRunner

from loadtest.manifest.http import Http

PART = "flash_sale_statuses"


class Outcomes:
    """Counts of buy requests since the test began, by HTTP status; 0 stands for no answer.

    A worker sends its counts to the master with Locust's reports, and keeps none.
    """

    def __init__(self, environment: Any, runner: Any) -> None:
        self._statuses: Counter[int] = Counter()
        self._buy: tuple[str, str] | None = None
        self._outcomes: dict[int, str] = {}
        events = environment.events
        if isinstance(runner, WorkerRunner):
            events.report_to_master.add_listener(self._on_report)
        if isinstance(runner, MasterRunner):
            events.worker_report.add_listener(self._on_worker_report)
        else:
            events.request.add_listener(self._on_request)

    def counts(self) -> dict[str, int]:
        """Outcome → number of buy requests. A status that the manifest does not name is `unknown`."""
        found: Counter[str] = Counter()
        for status, count in self._statuses.items():
            found[self._outcomes.get(status, "unknown")] += count
        return dict(found)

    def expect(self, http: Http, sale: str) -> None:
        """Starts over, for the buy request that `http` describes."""
        method, path = http.buy.request.split(" ", 1)
        self._buy = method, path.replace("{sale}", sale)
        self._outcomes = dict(http.buy.by_status)
        self._statuses.clear()

    def _on_request(self, request_type: str, name: str, response: Any = None, **_: Any) -> None:
        if (request_type, name) == self._buy:
            # Our responses have `status`; those of Locust's own clients, which a scenario may use, `status_code`.
            self._statuses[getattr(response, "status", getattr(response, "status_code", 0)) or 0] += 1

    def _on_report(self, data: dict[str, Any], **_: Any) -> None:
        data[PART] = {str(status): count for status, count in self._statuses.items()}
        self._statuses.clear()

    def _on_worker_report(self, data: dict[str, Any], **_: Any) -> None:
        for status, count in data.get(PART, {}).items():
            self._statuses[int(status)] += count
