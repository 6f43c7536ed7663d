"""Follows the JSON lines in a folder while they are being written."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Tail:
    """Gives what was appended to ``<directory>/*.jsonl`` since the last call; an unfinished line is left for the next."""

    directory: Path
    _read_to: dict[Path, int] = field(default_factory=dict)

    def lines(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Each new line, parsed, with the name of its shard (``g0`` for ``g0.jsonl``)."""
        for shard in sorted(self.directory.glob("*.jsonl")):
            with shard.open("rb") as lines:
                lines.seek(self._read_to.get(shard, 0))
                while (line := lines.readline()).endswith(b"\n"):
                    self._read_to[shard] = lines.tell()
                    yield shard.stem, json.loads(line)
