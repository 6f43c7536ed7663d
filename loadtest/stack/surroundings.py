"""The environment variables of every process that the harness starts: what it needs, and nothing that happens to be set.

A variable that a library reads by itself (``CELERY_BROKER_URL``, ``PGHOST``, ``WEB_CONCURRENCY``) would say something else than the command
line and the manifest do, and nobody would see it. So what may pass is listed here, and everything else stays outside. A shop that needs more
lists it in its manifest: `pass_env`.
"""

import os
from collections.abc import Collection, Mapping

# Where programs are, whose they are, where they may write, what language and time they speak.
MACHINE = ("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "LANG", "LANGUAGE", "TZ")
# How this very Python finds itself and what is installed for it: without these another program would run.
PYTHON = ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
# Whom TLS trusts: docs/buyers-client.md tells how to name an authority of one's own.
TRUST = ("SSL_CERT_FILE", "SSL_CERT_DIR")
# The password of the web page, docs/web.md: the process that shows the page reads it.
PAGE = ("LOADTEST_WEB_PASSWORD",)
# For a user's commands alone. They may fetch things, where our own processes only talk to addresses that they were told; and may be scripts.
COMMANDS = ("SHELL", "TERM", "http_proxy", "https_proxy", "all_proxy", "no_proxy")

# What changes libraries within the harness itself: libpq, Celery and kombu, matplotlib, and the git that is asked for the source's commit.
MISLEADING = ("PG", "CELERY_", "KOMBU_", "MPLBACKEND", "MATPLOTLIBRC", "GIT_")

_outside: dict[str, str] = {}


def leave_outside() -> None:
    """Take the variables that would change our own libraries out of this process. A manifest may still pass them to its shop."""
    for name in [name for name in os.environ if name.startswith(MISLEADING)]:
        _outside[name] = os.environ.pop(name)


def left_outside(prefix: str) -> list[str]:
    """The names that `leave_outside` took out and that begin with `prefix`."""
    return sorted(name for name in _outside if name.startswith(prefix))


def for_our_own() -> dict[str, str]:
    """The environment of a process of the harness, or of an embedded service."""
    # Files are UTF-8 whatever the locale says, also those that Locust opens.
    return _of((*MACHINE, *PYTHON, *TRUST, *PAGE)) | {"PYTHONUTF8": "1"}


def for_the_shop(passed: Collection[str] = ()) -> dict[str, str]:
    """The environment of a command of the manifest, before its `env`. `passed`: the names in its `pass_env`."""
    proxies = [name.upper() for name in COMMANDS if name.endswith("_proxy")]
    return _of((*MACHINE, *PYTHON, *TRUST, *COMMANDS, *proxies, *passed))


def passed_on(names: Collection[str]) -> dict[str, str]:
    """The variables of these names, as they were when the harness was started; those that are not set are left away."""
    found = _everything()
    return {name: found[name] for name in names if name in found}


def _of(names: Collection[str]) -> dict[str, str]:
    return {name: text for name, text in _everything().items() if name in names or name.startswith("LC_")}


def _everything() -> Mapping[str, str]:
    return {**_outside, **os.environ}
