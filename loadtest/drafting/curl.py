"""A curl line, as browsers copy it ("Copy as cURL (bash)"), as a request."""

import base64
import re
from collections.abc import Iterator
from urllib.parse import quote_plus

from loadtest.drafting.draft import Draft
from loadtest.drafting.guesses import draft_of_request
from loadtest.drafting.seen import Seen, seen
from loadtest.errors import UsageError

# Options that take a word: what it is for, or None where it says nothing about the request.
WITH_WORD: dict[str, str | None] = {
    "-X": "method", "--request": "method", "-H": "header", "--header": "header", "--url": "url",
    "-d": "data", "--data": "data", "--data-raw": "raw", "--data-ascii": "data", "--data-binary": "data", "--data-urlencode": "quoted",
    "--json": "json", "-b": "cookie", "--cookie": "cookie", "-u": "user", "--user": "user",
    "-F": "multipart", "--form": "multipart", "--form-string": "multipart", "-T": "upload", "--upload-file": "upload", "-K": "config", "--config": "config",
    "-A": None, "--user-agent": None, "-e": None, "--referer": None, "-o": None, "--output": None, "-m": None, "--max-time": None,
    "--connect-timeout": None, "-w": None, "--write-out": None, "-x": None, "--proxy": None, "--retry": None, "-c": None, "--cookie-jar": None,
    "--cacert": None, "-E": None, "--cert": None, "--key": None, "--resolve": None, "--interface": None, "--limit-rate": None,
}  # fmt: skip
REFUSED = {
    "multipart": "a body in parts (-F) cannot be sent by buyers; expected --data or --data-raw",
    "upload": "a file as the body (-T) cannot be sent by buyers; expected --data or --data-raw",
    "config": "a file of options (-K) is not read; write them into the line",
}
ESCAPES = {
    "n": "\n",
    "t": "\t",
    "r": "\r",
    "\\": "\\",
    "'": "'",
    '"': '"',
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "v": "\v",
    "e": "\x1b",
    "?": "?",
}
ANSI = re.compile(r"\\(?:u([0-9a-fA-F]{1,4})|U([0-9a-fA-F]{1,8})|x([0-9a-fA-F]{1,2})|([0-7]{1,3})|(.))", re.DOTALL)


def draft_of(line: str) -> Draft:
    """A draft of the purchase that a curl `line` makes.

    Raises:
        UsageError: it is no curl line, or makes a request that buyers cannot.
    """
    return draft_of_request(parsed(line), "a curl line")


def parsed(line: str) -> Seen:
    """The request that a curl `line` makes. Raises UsageError as `draft_of` does."""
    words = list(split(line))
    if not words or words[0].rpartition("/")[2] != "curl":
        raise UsageError(
            f"--curl: expected a line that begins with curl, found {' '.join(words[:1])!r}; in the browser: Copy as cURL (bash)"
        )
    line_of = _Line()
    rest = iter(words[1:])
    for word in rest:
        line_of.take(word, rest)
    return line_of.seen()


class _Line:
    """What has been read of a line so far."""

    def __init__(self) -> None:
        self.url, self.method, self.get = "", "", False
        self.headers: dict[str, str] = {}
        self.data: list[str] = []

    def take(self, word: str, rest: Iterator[str]) -> None:
        """One word of it, and those that belong to it."""
        if not word.startswith("-") or word == "-":
            self.url = self.url or word
            return
        option, value = word, None
        if word.startswith("--") and "=" in word:
            option, _, value = word.partition("=")
        elif not word.startswith("--") and len(word) > 2 and word[:2] in WITH_WORD:
            option, value = word[:2], word[2:]
        if option in WITH_WORD:
            value = next(rest, None) if value is None else value
            if value is None:
                raise UsageError(f"--curl: expected something after {option}, where the line ends; was it cut off?")
            self._set(WITH_WORD[option], value)
        elif option in ("-G", "--get") or (not option.startswith("--") and "G" in option):
            self.get = True
        elif option in ("-I", "--head"):
            self.method = "HEAD"

    def _set(self, what: str | None, value: str) -> None:
        if what in REFUSED:
            raise UsageError(f"--curl: {REFUSED[what]}")
        if what == "url":
            self.url = value
        elif what == "method":
            self.method = value
        elif what == "header":
            name, _, text = value.partition(":")
            self.headers[name.strip()] = text.strip()
        elif what == "cookie":
            self.headers["Cookie"] = value
        elif what == "user":
            self.headers["Authorization"] = "Basic " + base64.b64encode(value.encode()).decode()
        elif what is not None:
            self._add(what, value)

    def _add(self, what: str, value: str) -> None:
        if what in ("data", "json") and value.startswith("@"):
            raise UsageError(
                f"--curl: the body is in the file {value[1:]!r}, which is not read; put it into the line: --data-raw '…'"
            )
        if what == "json":
            self.headers.setdefault("Content-Type", "application/json")
        if what == "quoted":
            name, equals, text = value.partition("=")
            value = f"{name}={quote_plus(text)}" if equals else quote_plus(value)
        self.data.append(value)

    def seen(self) -> Seen:
        """The request."""
        if not self.url:
            raise UsageError("--curl: expected an address in the line, found none; was it cut off?")
        data = "&".join(self.data) if self.data else None
        if self.get and data:
            return seen(self.method or "GET", self.url + ("&" if "?" in self.url else "?") + data, self.headers, None)
        return seen(self.method or ("POST" if data else "GET"), self.url, self.headers, data)


def split(line: str) -> Iterator[str]:
    r"""The words of a line as bash splits it: ``'…'``, ``"…"``, ``$'…\n'``, ``\`` at the end of lines.

    Raises:
        UsageError: a quote is not closed, or the line is for another shell.
    """
    if '^"' in line or "`\n" in line:
        raise UsageError("--curl: that is for another shell than bash; in the browser: Copy as cURL (bash)")
    word, begun, place = "", False, 0
    while place < len(line):
        found = PIECE.match(line, place)
        if found is None:
            raise UsageError(f"--curl: a quote is not closed, at {line[place : place + 20]!r}; was the line cut off?")
        place = found.end()
        if found["space"] is not None:
            if begun:
                yield word
            word, begun = "", False
            continue
        word, begun = word + _meant(found), begun or found["joined"] is None
    if begun:
        yield word


PIECE = re.compile(
    r"""(?P<joined>\\\r?\n) | (?P<space>\s+) | \$'(?P<ansi>(?:[^'\\]|\\.)*)' | '(?P<single>[^']*)' | "(?P<double>(?:[^"\\]|\\.)*)" | \\(?P<one>.) | (?P<plain>[^\s'"\\])""",
    re.VERBOSE | re.DOTALL,
)


def _meant(found: re.Match[str]) -> str:
    """What a piece of a word stands for."""
    if found["ansi"] is not None:
        return ANSI.sub(_escape, found["ansi"])
    if found["double"] is not None:
        return re.sub(r'\\(\n|["\\$`])', lambda escaped: "" if escaped[1] == "\n" else escaped[1], found["double"])
    return next((found[name] for name in ("single", "one", "plain") if found[name] is not None), "")


def _escape(found: re.Match[str]) -> str:
    code = found[1] or found[2] or found[3]
    if code:
        return chr(int(code, 16))
    return chr(int(found[4], 8)) if found[4] else ESCAPES.get(found[5], "\\" + found[5])
