"""What need not be waited for: the report of one sale is drawn while the next one starts."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from loadtest.record.run_dir import RunDir
from loadtest.sale.beforehand.plan import Plan
from loadtest.sale.load_process import Load, Loading
from loadtest.stack.process import Supervisor


class Meanwhile:
    """Calls `do` with one run directory after the other, in a thread of its own."""

    def __init__(self, do: Callable[[Path], None], thread: ThreadPoolExecutor) -> None:
        self._do = do
        self._thread = thread
        self._pending: Future[None] | None = None

    def __call__(self, run_dir: Path) -> None:
        """Begin with this run directory, once the one before is done."""
        self.wait()
        self._pending = self._thread.submit(self._do, run_dir)

    def wait(self) -> None:
        """Return once nothing is being done; raises what that raised."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    def before(self, loading: Loading) -> Loading:
        """As `loading`, but no buyer comes before that is done: a sale has the machine to itself."""

        def brought(planned: Plan, run_dir: RunDir, supervisor: Supervisor, base_url: str) -> Load:
            return Undisturbed(loading(planned, run_dir, supervisor, base_url), self.wait)

        return brought


@dataclass(frozen=True)
class Undisturbed:
    """The buyers of `load`, who wait before they begin; see `Load`."""

    load: Load
    wait: Callable[[], None]

    def begin(self) -> None:
        """Wait, then let them come."""
        self.wait()
        self.load.begin()

    def end(self) -> None:
        """See `Load.end`."""
        self.load.end()

    def exit_code(self) -> int | None:
        """See `Load.exit_code`."""
        return self.load.exit_code()

    def log_tail(self) -> str:
        """See `Load.log_tail`."""
        return self.load.log_tail()


@contextmanager
def meanwhile(do: Callable[[Path], None]) -> Iterator[Meanwhile]:
    """A `Meanwhile` that is done when the context ends."""
    with ThreadPoolExecutor(1, thread_name_prefix="meanwhile") as thread:
        doing = Meanwhile(do, thread)
        yield doing
        doing.wait()
