"""A queue of any kind that a command of the manifest counts."""

from itertools import repeat

from loadtest.ledger.command_sources import CommandStore
from loadtest.ledger.queue import Depth, Entries
from loadtest.manifest.final import Source
from loadtest.manifest.order_queue import Queue
from loadtest.stack.whereabouts import Whereabouts


class CommandQueue:
    """See `QueueReader`. It prints one number: how many orders wait, or are with a worker."""

    late_s = 0.0
    place = "the queue that [queue] command counts"

    def __init__(self, queue: Queue, whereabouts: Whereabouts) -> None:
        self._commands = CommandStore(whereabouts)
        self._source = Source(command=queue.command)

    def depth(self) -> Depth:
        """What it prints."""
        return Depth(self._commands.number(self._source, "[queue] command"), 0)

    def held(self) -> int | None:
        """None that it tells apart."""
        return 0

    def entries(self) -> Entries:
        """As many entries without a number."""
        yield from repeat((None, "ready"), self.depth().ready)

    def check(self) -> None:
        """Run it once."""
        self.depth()

    def unheard(self) -> str:
        """See `QueueReader`. Nobody can tell."""
        return ""

    def close(self) -> None:
        """Nothing to give back."""
