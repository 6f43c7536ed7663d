"""Reads an OpenAPI document, follows its references, and makes examples of what its schemas describe."""

import json
import re
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from loadtest.errors import UsageError
from loadtest.stack.rabbitmq import DIRECT

LONGEST = 20_000_000
EXAMPLES = {"string": "text", "integer": 1, "number": 1.0, "boolean": True}
HERE = "http://127.0.0.1:8000"


def read(source: str) -> dict[str, Any]:
    """The document. Raises UsageError as `draft_of` does."""
    text = _fetched(source) if source.startswith(("http://", "https://")) else _file(source)
    try:
        document = json.loads(text)
    except ValueError:
        raise UsageError(
            f"--openapi {source}: expected JSON; a document in YAML must be converted first: yq -o json"
        ) from None
    if not isinstance(document, dict) or not isinstance(document.get("paths"), dict):
        raise UsageError(
            f"--openapi {source}: expected an OpenAPI document, which has paths; often it is at /openapi.json or /v3/api-docs"
        )
    return document


def _file(source: str) -> str:
    try:
        return Path(source).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"--openapi {source}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"--openapi {source}: expected JSON in UTF-8") from None


def _fetched(source: str) -> str:
    host = urlsplit(source).hostname or ""
    try:
        local = host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        local = False
    if not local:
        raise UsageError(
            f"--openapi {source}: expected a shop on this machine, such as {HERE}/openapi.json; save that document, and give the file"
        )
    try:
        with DIRECT.open(source, timeout=10) as response:
            return str(response.read(LONGEST).decode("utf-8-sig"))
    except (OSError, ValueError) as error:
        raise UsageError(f"--openapi {source}: cannot be read: {error}; is the shop running?") from None


def origin_of(source: str, document: dict[str, Any]) -> str:
    """Where the shop is: where its document was fetched, else where that says."""
    if source.startswith("http"):
        parts = urlsplit(source)
        return f"{parts.scheme}://{parts.netloc}"
    url = str(server(document).get("url", "")) or f"http://{document.get('host', '')}"
    found = re.match(r"https?://[^/\s]+", url)
    return found[0] if found and "{" not in found[0] else HERE


def server(document: dict[str, Any]) -> dict[str, Any]:
    """The first server that it names."""
    servers = document.get("servers") or []
    return servers[0] if servers and isinstance(servers, list) and isinstance(servers[0], dict) else {}


def follow(document: dict[str, Any], node: Any) -> dict[str, Any]:
    """`node`, or what it refers to within the document."""
    for _ in range(20):
        if not isinstance(node, dict) or "$ref" not in node:
            break
        target: Any = document
        for part in str(node["$ref"]).removeprefix("#/").split("/"):
            target = target.get(part, {}) if isinstance(target, dict) else {}
        node = target
    return node if isinstance(node, dict) else {}


def example(node: dict[str, Any], document: dict[str, Any], everything: bool = False, depth: int = 0) -> Any:
    """An example of what a parameter, a body or a schema holds: one that is given, else one of its type. Of objects what is required."""
    if "example" in node:
        return node["example"]
    schema = follow(document, node.get("schema", node))
    for key in ("example", "default", "const"):
        if schema.get(key) is not None:
            return schema[key]
    if schema.get("enum"):
        return schema["enum"][0]
    merged = [follow(document, each) for key in ("allOf", "anyOf", "oneOf") for each in schema.get(key, ())]
    if merged and "properties" not in schema:
        schema = next((each for each in merged if each.get("type") != "null"), {})
    if "properties" in schema and depth < 5:
        wanted = schema.get("required") if not everything else None
        names = wanted or schema["properties"]
        return {name: example(schema["properties"].get(name, {}), document, everything, depth + 1) for name in names}
    if schema.get("type") == "array":
        return (
            [example(follow(document, schema.get("items", {})), document, everything, depth + 1)] if depth < 5 else []
        )
    return EXAMPLES.get(str(schema.get("type")), "text")


def dotted(value: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf of nested tables, with its dotted key."""
    for key, inner in value.items():
        if isinstance(inner, dict):
            yield from dotted(inner, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", inner
