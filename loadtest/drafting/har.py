"""A HAR file, in which a browser has recorded requests and answers: the log-in, the purchase and the poll are found in it."""

import base64
import binascii
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from loadtest.drafting.conversation import draft_of_conversation
from loadtest.drafting.draft import Draft
from loadtest.drafting.seen import Answer, Seen, seen
from loadtest.errors import UsageError

HELP = "save one in the browser's network tools, after you have logged in and bought: Save all as HAR with content"
# What a page is made of, and no step of a purchase.
MADE_OF = ("image/", "font/", "text/css", "javascript", "video/", "audio/", "wasm")


def draft_of(file: Path) -> Draft:
    """A draft of the shop whose requests and answers are in `file`.

    Raises:
        UsageError: it cannot be read, is no HAR, or has no request in it that looks like a purchase.
    """
    return draft_of_conversation(read(file), f"--har {file}")


def read(file: Path) -> list[Seen]:
    """The requests in it, in their order, without pictures and the like. Raises UsageError for what is no HAR."""
    try:
        entries = json.loads(file.read_text(encoding="utf-8-sig"))["log"]["entries"]
        entries = sorted(entries, key=lambda entry: str(entry.get("startedDateTime", "")))
        return [request for entry in entries if (request := _request(entry))]
    except OSError as error:
        raise UsageError(f"--har {file}: cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UsageError(f"--har {file}: expected a HAR, which is JSON with log.entries; {HELP}") from None


def _request(entry: dict[str, Any]) -> Seen | None:
    request, response = entry["request"], entry.get("response", {})
    mime = str(response.get("content", {}).get("mimeType", "")).lower()
    if not request["url"].startswith("http") or any(kind in mime for kind in MADE_OF) or request["method"] == "OPTIONS":
        return None
    headers = {each["name"]: each["value"] for each in request.get("headers", ())}
    return seen(request["method"], request["url"], headers, _data(request.get("postData")), _answer(response))


def _data(posted: dict[str, Any] | None) -> str | None:
    if not posted:
        return None
    if posted.get("text"):
        return str(posted["text"])
    return urlencode([(each["name"], each.get("value", "")) for each in posted.get("params", ())]) or None


def _answer(response: dict[str, Any]) -> Answer | None:
    if not response.get("status"):
        return None  # it was blocked, or given up
    content = response.get("content", {})
    text = str(content.get("text", ""))
    if content.get("encoding") == "base64":
        try:
            text = base64.b64decode(text).decode(errors="replace")
        except binascii.Error:
            text = ""
    headers = tuple((each["name"], each["value"]) for each in response.get("headers", ()))
    cookies = tuple(
        ("Set-Cookie", line) for name, value in headers if name.lower() == "set-cookie" for line in value.split("\n")
    )
    return Answer(
        response["status"], tuple(each for each in headers if each[0].lower() != "set-cookie") + cookies, text
    )
