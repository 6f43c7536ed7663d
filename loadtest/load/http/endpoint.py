"""The address of a shop, and the bytes of a request to it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gevent import ssl

from loadtest.errors import UsageError

BLANK = re.compile(r"[\x00-\x20\x7f]")
BREAK = re.compile(r"[\r\n\0]")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The address of a shop. `tls` is an SSLContext, None for http; `prefix` goes before the path of every request;
    `authority` is the value of the ``Host`` header."""

    host: str
    port: int
    tls: Any
    prefix: str
    authority: str

    @property
    def url(self) -> str:
        """The address as it was given."""
        return f"{'https' if self.tls else 'http'}://{self.authority}{self.prefix}"

    def request(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None) -> bytes:
        """The bytes of one request.

        Raises:
            UsageError: a space or a control character in the path, a line break in a header.
        """
        if BLANK.search(path):
            raise UsageError(f"request {method} {path!r}: a space or a control character in the path; write it as %XX")
        lines = [f"{method} {self.prefix}{path} HTTP/1.1", f"Host: {self.authority}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        if any(BREAK.search(line) for line in lines):
            raise UsageError(f"request {method} {path!r}: a line break in a header; take it out")
        return "\r\n".join([*lines, "", ""]).encode() + (body or b"")


def endpoint(base_url: str, ca: Path | None = None, insecure: bool = False) -> Endpoint:
    """The endpoint of `base_url`, such as ``https://[::1]:8443``. Certificates are verified, against `ca` if given.

    Raises:
        UsageError: not an http or https address, or an unreadable `ca`.
    """
    try:
        url = urlsplit(base_url)
        host, port = url.hostname, url.port or {"http": 80, "https": 443}[url.scheme]
        # IDNA, as DNS and certificates have names in other scripts. A label that is too long fails here, not in every buyer.
        host, authority = (host or "").encode("idna").decode(), url.netloc.encode("idna").decode()
    except (ValueError, KeyError):
        host = ""
    if not host or BLANK.search(base_url) or url.query or url.fragment or url.username:
        raise UsageError(f"--host {base_url!r}: expected an address such as http://127.0.0.1:8000")
    tls = _tls(ca, insecure) if url.scheme == "https" else None
    return Endpoint(host, port, tls, url.path.rstrip("/"), authority)


def _tls(ca: Path | None, insecure: bool) -> Any:
    # Not ssl.create_default_context: unless the process is patched, its sockets block every buyer.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(str(ca)) if ca else context.load_default_certs()
    except OSError as error:
        raise UsageError(f"--shop-ca {ca}: expected a PEM file of certificates: {error}") from None
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
