"""The marks that `loadtest init` leaves in a manifest for what it cannot know. A manifest that still has one is refused, with its line."""

from pathlib import Path

from loadtest.errors import UsageError

MARK = "FILL-IN"


def refuse_marks(path: Path) -> None:
    """Refuse a manifest in which something is yet to be filled in.

    Raises:
        UsageError: there is a mark outside of comments; the message has the first one's line, what stands beside it, and how many there are.
    """
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    marked = [
        n for n, line in enumerate(lines) if MARK in line.partition(" #")[0] and not line.lstrip().startswith("#")
    ]
    if marked:
        line = lines[marked[0]]
        text, _, comment = line.partition(" #")
        many = f" ({len(marked)} lines have one)" if len(marked) > 1 else ""
        raise UsageError(
            f"{path}: line {marked[0] + 1}: {text.strip()}: {MARK} is yet to be filled in{': ' if comment else ''}{comment.strip()}{many}"
        )
