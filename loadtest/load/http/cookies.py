"""The cookies of one buyer and one shop: what RFC 6265 asks of a client that talks to a single host."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from time import time

MAX_COOKIES = 50
MAX_COOKIE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Cookie:
    """One cookie. `expires_s` is a Unix time, None for one that lives as long as its buyer."""

    name: bytes
    value: bytes
    path: bytes
    secure: bool
    expires_s: float | None

    def sent_to(self, path: bytes, tls: bool) -> bool:
        """Whether a request for `path` takes it along."""
        return (tls or not self.secure) and (
            path == self.path or path.startswith(self.path if self.path.endswith(b"/") else self.path + b"/")
        )


class Jar:
    """The cookies that `host` has set. No more than MAX_COOKIES: the oldest goes first.

    *Warning:* SameSite and the prefixes ``__Host-`` and ``__Secure-`` mean nothing here: there is one site, and no script.
    """

    def __init__(self, host: str, tls: bool, clock: Callable[[], float] = time) -> None:
        self._host = host.encode()
        self._tls = tls
        self._clock = clock
        self._cookies: dict[tuple[bytes, bytes], Cookie] = {}

    def take(self, header: bytes, path: bytes) -> None:
        """Keeps what one ``Set-Cookie`` header of the answer to a request for `path` says. What makes no sense is left out."""
        pair, *attributes = header.split(b";")
        name, equals, value = (part.strip() for part in pair.partition(b"="))
        given = {key.strip().lower(): text.strip() for key, _, text in (item.partition(b"=") for item in attributes)}
        if not equals or not name or len(header) > MAX_COOKIE_BYTES or not self._owns(given.get(b"domain", b"")):
            return
        cookie = Cookie(name, value, _path(given.get(b"path", b""), path), b"secure" in given, self._expiry(given))
        kept = self._cookies.pop((name, cookie.path), None)
        if cookie.expires_s is not None and cookie.expires_s <= self._clock():
            return
        if kept is None and len(self._cookies) == MAX_COOKIES:
            del self._cookies[next(iter(self._cookies))]
        self._cookies[name, cookie.path] = cookie

    def header(self, path: bytes) -> bytes:
        """The value of the ``Cookie`` header of a request for `path`, longest paths first; empty when there is nothing to send."""
        now = self._clock()
        for key in [key for key, cookie in self._cookies.items() if cookie.expires_s and cookie.expires_s <= now]:
            del self._cookies[key]
        fit = [cookie for cookie in self._cookies.values() if cookie.sent_to(path, self._tls)]
        fit.sort(key=lambda cookie: -len(cookie.path))
        return b"; ".join(cookie.name + b"=" + cookie.value for cookie in fit)

    def _owns(self, domain: bytes) -> bool:
        """Whether a cookie for `domain` is one for this host; without a domain it always is."""
        domain = domain.lower().removeprefix(b".")
        return not domain or domain == self._host or (b"." in domain and self._host.endswith(b"." + domain))

    def _expiry(self, given: dict[bytes, bytes]) -> float | None:
        """When the cookie ends; Max-Age is stronger than Expires, and one that cannot be read counts as absent."""
        with contextlib.suppress(KeyError, ValueError, OverflowError):
            return self._clock() + int(given[b"max-age"])
        with contextlib.suppress(KeyError, ValueError, OverflowError, TypeError, IndexError):
            return parsedate_to_datetime(given[b"expires"].decode("ascii")).timestamp()
        return None


def _path(given: bytes, asked: bytes) -> bytes:
    """The path of a cookie: the one that it names, else the directory of what was asked."""
    if given.startswith(b"/"):
        return given
    return asked.partition(b"?")[0].rpartition(b"/")[0] or b"/"
