"""A login with one password, for Locust's ``--web-login``, which brings the door and no key.

The password is taken from the environment variable LOADTEST_WEB_PASSWORD. Where it is not set, the scenario must say who may
come in, as Locust's own documentation tells.
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
    """Let in who gives `password` (any name will do), through the form that Locust shows; its target is a view of `page`."""
    web_ui.app.secret_key = secrets.token_hex()
    web_ui.login_manager.user_loader(lambda name: Visitor() if name == Visitor.id else None)
    web_ui.auth_args = {"username_password_callback": f"{page.url_prefix or ''}/flash-sale/login"}

    def login() -> Any:
        given = request.form.get("password", "")
        if hmac.compare_digest(given.encode(), password.encode()):
            login_user(Visitor())
            return redirect(url_for("flash_sale.page"))
        gevent.sleep(WRONG_S)  # guessing takes long
        session["auth_error"] = f"That is not the password in {PASSWORD}."
        return redirect(url_for("locust.login"))

    page.add_url_rule("/flash-sale/login", "login", login, methods=["POST"])
