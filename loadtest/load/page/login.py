"""A login with one password, for Locust's ``--web-login``, which shows a form but checks nothing itself.

The password is that of the environment variable LOADTEST_WEB_PASSWORD. Where it is not set, the scenario must add a login, as
Locust's own documentation describes.
"""

import hmac
import secrets
from typing import Any

import gevent
from flask import redirect, request, session, url_for
from flask_login import UserMixin, login_user

PASSWORD = "LOADTEST_WEB_PASSWORD"  # noqa: S105 (the name of the variable)
WRONG_S = 1.0


class Visitor(UserMixin):  # type: ignore[misc]
    """Whoever knows the password."""

    id = "visitor"


def add_login(web_ui: Any, page: Any, password: str) -> None:
    """Makes Locust's login form accept `password` with any user name. The form posts to a view that is added to `page`."""
    web_ui.app.secret_key = secrets.token_hex()
    web_ui.login_manager.user_loader(lambda name: Visitor() if name == Visitor.id else None)
    web_ui.auth_args = {"username_password_callback": f"{page.url_prefix or ''}/flash-sale/login"}

    def login() -> Any:
        given = request.form.get("password", "")
        if hmac.compare_digest(given.encode(), password.encode()):
            login_user(Visitor())
            return redirect(url_for("flash_sale.page"))
        gevent.sleep(WRONG_S)  # slows guessing down
        session["auth_error"] = f"That is not the password in {PASSWORD}."
        return redirect(url_for("locust.login"))

    page.add_url_rule("/flash-sale/login", "login", login, methods=["POST"])
