"""The page ``/flash-sale`` in Locust's web UI: one sale, live, with its verdict; and the form that begins the next.

With ``--web-login``, every view requires Locust's login. A POST must come from the page itself: Locust allows every origin
(CORS), so the browser's ``Origin`` is compared with the host that was requested. Under the harness, `door` guards Locust's own views as well.
"""

import json
import math
import os
from collections.abc import Callable
from dataclasses import asdict
from functools import wraps
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask import (
    Blueprint,
    Response,
    abort,
    jsonify,
    make_response,
    render_template,
    request,
    send_from_directory,
    url_for,
)
from werkzeug.exceptions import HTTPException

from loadtest.errors import HarnessError, UsageError
from loadtest.load.now import now_ns
from loadtest.load.page.door import Door
from loadtest.load.page.login import PASSWORD, add_login
from loadtest.load.page.sales import Sales
from loadtest.load.page.show import Show
from loadtest.record.whole import write_text
from loadtest.sale.desk import LOAD_PHASES

TAB = "flash-sale"
HERE = Path(__file__).parent / "assets"
OWN = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
# The content security policy of a run's files: a report may run its scripts, but without access to this origin.
FOREIGN = "sandbox allow-scripts allow-downloads allow-popups"
RATE_PHASES = (*LOAD_PHASES, "draining")
MOST_PER_S = 1e6
SHOWN_CHARACTERS = 60


def add_page(web_ui: Any, options: Any, show: Show) -> None:
    """Adds the page to Locust's web UI, with a tab of its figures and a link to it in Locust's own page."""
    page = Blueprint(
        "flash_sale", __name__, url_prefix=options.web_base_path or None,
        template_folder=str(HERE), static_folder=str(HERE / "static"), static_url_path="/flash-sale/static",
    )  # fmt: skip
    views = Views(show)
    for rule, view, method in (
        ("/flash-sale", views.page, "GET"),
        ("/flash-sale/data", views.data, "GET"),
        ("/flash-sale/start", views.start, "POST"),
        ("/flash-sale/stop", views.stop, "POST"),
        ("/flash-sale/rate", views.rate, "POST"),
        ("/flash-sale/runs/<int:number>/<path:name>", views.file, "GET"),
    ):
        page.add_url_rule(rule, view.__name__, web_ui.auth_required_if_enabled(answered(view)), methods=[method])
    if options.web_login and (password := os.environ.get(PASSWORD)):
        add_login(web_ui, page, password)
    if show.sales is not None:
        Door.on(options.web_port, options.web_names).guard(web_ui.app)
    else:
        page.before_request(refuse_foreign)
    page.after_request(keep_own)
    web_ui.app.register_blueprint(page)
    web_ui.app.after_request(Tab(show))
    web_ui.template_args["extended_tabs"] = [{"title": "Flash sale", "key": TAB}]
    web_ui.template_args["extended_tables"] = [
        {"key": TAB, "structure": [{"key": "what", "title": "What"}, {"key": "value", "title": "Now"}]}
    ]


class Views:
    """The Flask views of the page."""

    def __init__(self, show: Show) -> None:
        self._show = show

    def page(self) -> str:
        """The page itself; its script fills it."""
        sales = self._show.sales
        offers = asdict(sales.offers) if sales else None
        return render_template("flash_sale.html", offers=offers, values=sales.values if sales else None)

    def data(self) -> Response:
        """JSON: the state, and the points after the first ``since`` of sale ``sale``."""
        news = self._show.news(request.args.get("sale", "", str), request.args.get("since", 0, int))
        # Not jsonify: Locust's app is in debug mode, in which it would put every number on a line of its own.
        return Response(json.dumps(news), mimetype="application/json")

    def start(self) -> Response:
        """Begins a sale with the values of the form; 400 if they cannot be, 409 if there can be no sale now."""
        sales = self._sales()
        try:
            sales.start(posted())
        except UsageError as error:
            return _refused(400, str(error))
        except HarnessError as error:
            return _refused(409, str(error))
        return jsonify({})

    def stop(self) -> Response:
        """Stops the buyers; what was sold is still drained and judged."""
        self._sales().stop()
        return jsonify({})

    def rate(self) -> Response:
        """Asks the harness for another rate during a sale, by writing ``control/limit`` in the run directory."""
        state = self._sales().desk.state()
        rate = posted().get("rate_per_s")
        if state.run_dir is None or state.phase not in RATE_PHASES or state.limit_per_s is None:
            return _refused(409, "no sale with a limiter is under way")
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate <= MOST_PER_S:
            return _refused(400, f"rate {shown(rate)}: expected orders a second, above 0, at most {MOST_PER_S:,.0f}")
        # The same as loadtest.sale.limits does; importing that would import Celery into this process.
        asking = Path(state.run_dir) / "control" / "limit"
        if not asking.parent.is_dir():
            return _refused(409, "the manifest does not name the task that is limited: set task in its [queue]")
        write_text(asking, f"{rate:g}")
        self._show.asked.append((now_ns() / 1e6, rate))
        return jsonify({})

    def file(self, number: int, name: str) -> Response:
        """A file of a run that is over, such as its report."""
        held = next((held for held in self._sales().desk.state().held if held.number == number), None)
        if held is None or held.run_dir is None:
            abort(404)
        response = send_from_directory(held.run_dir, name)
        response.headers["Content-Security-Policy"] = FOREIGN
        return response

    def _sales(self) -> Sales:
        if self._show.sales is None:
            abort(404)
        return self._show.sales


class Tab:
    """Adds the figures of the tab, and a link to our page, to the responses of Locust's own page."""

    def __init__(self, show: Show) -> None:
        self._show = show

    def __call__(self, response: Response) -> Response:
        """Called by Flask after each request; changes and returns Locust's `response`."""
        if request.endpoint == "locust.request_stats" and response.is_json:
            rows = [{"what": what, "value": value} for what, value in self._show.figures()]
            data = {**json.loads(response.get_data()), "extended_stats": [{"key": TAB, "data": rows}]}
            response.set_data(json.dumps(data))
        elif request.endpoint == "locust.index" and response.mimetype == "text/html":
            link = (
                f'<a href="{url_for("flash_sale.page")}" style="position:fixed;left:16px;bottom:16px;z-index:9;padding:8px 14px;'
                'border-radius:6px;background:#00664a;color:#fff;font:600 14px system-ui,sans-serif;text-decoration:none">'
                "Flash sale: live page and verdict</a></body>"
            )
            response.set_data(response.get_data(as_text=True).replace("</body>", link, 1))
        return response


def answered(view: Callable[..., Any]) -> Callable[..., Any]:
    """`view`, with its HTTP errors returned as responses: Locust's login would turn a raised one into a page with status 200."""

    @wraps(view)
    def contained(*args: Any, **kwargs: Any) -> Any:
        try:
            return view(*args, **kwargs)
        except HTTPException as error:
            return error.get_response()

    return contained


def refuse_foreign() -> Response | None:
    """Refuses a POST that a page of another site made the browser send."""
    if request.method == "GET":
        return None
    origin = request.headers.get("Origin", "")
    if not origin or urlsplit(origin).netloc != request.host:
        return _refused(403, f"expected a request from this page, found Origin {origin or 'none'}")
    return None


def keep_own(response: Response) -> Response:
    """Adds headers so that no other site can read or frame the page."""
    # Locust's CORS does not change a response that has this header.
    response.headers["Access-Control-Allow-Origin"] = request.host_url.rstrip("/")
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "no-store"
    response.headers.setdefault("Content-Security-Policy", OWN)
    return response


def posted() -> dict[str, Any]:
    """The JSON object in the body of the request; empty where the body is.

    Answers 400 to what is no JSON object, and to a number in it that is none: JSON has no infinity, but Python reads one from ``1e999``.
    """
    body = request.get_data()
    try:
        data = json.loads(body, parse_float=_finite, parse_constant=_finite) if body else {}
    except (ValueError, RecursionError) as error:
        abort(_refused(400, f"expected a JSON object: {error}"))
    if not isinstance(data, dict):
        abort(_refused(400, f"expected a JSON object, found {shown(data)}"))
    return data


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text:.60}: expected a finite number")
    return number


def shown(value: Any) -> str:
    """`value` as a message shows it, cut short."""
    try:
        text = repr(value)
    except ValueError:  # a whole number with more digits than Python writes
        return "a number with thousands of digits"
    return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "…"


def _refused(status: int, message: str) -> Response:
    return make_response(jsonify({"error": message}), status)
