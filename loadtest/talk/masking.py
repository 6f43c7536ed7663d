"""Secrets that must not stand in what is kept or shown of a shop's answers: passwords, tokens, cookies."""

import re
from collections.abc import Iterable

HIDDEN = "…"
WORDS = r"(?:passw|pwd|passcode|token|secret|jwt|authori[sz]ation|credential|csrf|xsrf|session|api[_-]?key|cookie)"
SECRET = re.compile(WORDS, re.IGNORECASE)
# "key": "value" of JSON, key=value of forms, cookies and query strings, and the value of an HTML field of that name.
IN_JSON = re.compile(rf'("[^"\\]{{0,80}}{WORDS}[^"\\]{{0,80}}"\s*:\s*)("(?:[^"\\]|\\.)*"?|-?[\d.]+)', re.IGNORECASE)
IN_PAIRS = re.compile(rf"(\b[\w.-]{{0,80}}{WORDS}[\w.-]{{0,80}}=)[^&;,\s\"'<>]+", re.IGNORECASE)
IN_FIELDS = re.compile(rf"(name=[\"'][^\"']{{0,80}}{WORDS}[^>]{{0,200}}?value=[\"'])[^\"']*", re.IGNORECASE)
BEARER = re.compile(r"\b((?:Bearer|Basic)\s+)[\w.~+/=-]+", re.IGNORECASE)
JWT = re.compile(r"\beyJ[\w-]+\.[\w-]+\.?[\w-]*")
# A shorter value, such as a captured 1, would hide half of every answer.
LEAST = 4


def masked(text: str, secrets: Iterable[object] = ()) -> str:
    """`text` with ``…`` for whatever stands at a key like password or token, for what looks like one, and for each of `secrets`."""
    known = sorted({str(each) for each in secrets if len(str(each)) >= LEAST}, key=len, reverse=True)
    for secret in known:
        text = text.replace(secret, HIDDEN)
    text = JWT.sub(HIDDEN, BEARER.sub(rf"\g<1>{HIDDEN}", text))
    text = IN_FIELDS.sub(rf"\g<1>{HIDDEN}", text)
    return IN_PAIRS.sub(rf"\g<1>{HIDDEN}", IN_JSON.sub(rf'\g<1>"{HIDDEN}"', text))
