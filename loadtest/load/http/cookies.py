"""The cookies of one buyer at one shop: the part of RFC 6265 that concerns a client of a single host."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from time import time

MAX_COOKIES = 50
MAX_COOKIE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Cookie:
    """One cookie. `expires_s` is a Unix time; None keeps the cookie as long as the buyer exists."""

    name: bytes
    value: bytes
    path: bytes
    secure: bool
    expires_s: float | None

    def sent_to(self, path: bytes, tls: bool) -> bool:
        """Whether the cookie is sent with a request for `path`."""
        return (tls or not self.secure) and (
            path == self.path or path.startswith(self.path if self.path.endswith(b"/") else self.path + b"/")
        )


class Jar:
    """The cookies that `host` has set, at most MAX_COOKIES: the one set longest ago is dropped first.

    *Warning:* SameSite and the prefixes ``__Host-`` and ``__Secure-`` are ignored: there is one site, and no script.
    """

    def __init__(self, host: str, tls: bool, clock: Callable[[], float] = time) -> None:
        self._host = host.encode()
        self._tls = tls
        self._clock = clock
        self._cookies: dict[tuple[bytes, bytes], Cookie] = {}

    def take(self, header: bytes, path: bytes) -> None:
        """Stores the cookie of one ``Set-Cookie`` header in the answer to a request for `path`. An invalid one is ignored."""
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
        """The value of the ``Cookie`` header for a request for `path`, longest paths first; empty if no cookie matches."""
        now = self._clock()
        for key in [key for key, cookie in self._cookies.items() if cookie.expires_s and cookie.expires_s <= now]:
            del self._cookies[key]
        fit = [cookie for cookie in self._cookies.values() if cookie.sent_to(path, self._tls)]
        fit.sort(key=lambda cookie: -len(cookie.path))
        return b"; ".join(cookie.name + b"=" + cookie.value for cookie in fit)

    def values(self) -> dict[str, str]:
        """Name → value of every cookie; of several with one name the one set last."""
        return {each.name.decode("latin-1"): each.value.decode("latin-1") for each in self._cookies.values()}

    def _owns(self, domain: bytes) -> bool:
        """Whether a cookie with this ``Domain`` (may be empty) is for this host."""
        domain = domain.lower().removeprefix(b".")
        return not domain or domain == self._host or (b"." in domain and self._host.endswith(b"." + domain))

    def _expiry(self, given: dict[bytes, bytes]) -> float | None:
        """When the cookie expires, as a Unix time. Max-Age takes precedence over Expires; an unreadable value counts as absent."""
        with contextlib.suppress(KeyError, ValueError, OverflowError):
            return self._clock() + int(given[b"max-age"])
        with contextlib.suppress(KeyError, ValueError, OverflowError, TypeError, IndexError):
            return parsedate_to_datetime(given[b"expires"].decode("ascii")).timestamp()
        return None


def _path(given: bytes, asked: bytes) -> bytes:
    """The path of a cookie: its ``Path`` attribute `given`, else the directory of the path that was `asked` for."""
    if given.startswith(b"/"):
        return given
    return asked.partition(b"?")[0].rpartition(b"/")[0] or b"/"
