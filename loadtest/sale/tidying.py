"""What a sale leaves behind: its scratch folder, and whatever the manifest's `reset` takes away. A failure here changes no verdict."""

import contextlib
import logging
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from loadtest.record.run_dir import RunDir
from loadtest.record.whole import write_text
from loadtest.stack.process import Supervisor
from loadtest.stack.shop_stack import ShopStack

log = logging.getLogger(__name__)


@dataclass
class Tidying:
    """Runs the manifest's `reset` once for each sale, the first time that it is asked to: while the shop runs, if it ever did."""

    shop_stack: ShopStack
    supervisor: Supervisor
    run_dir: RunDir
    _done: bool = field(default=False, init=False)

    def once(self) -> None:
        """Reset. A failure is logged, and its reason written to ``reset.failed``."""
        if self._done:
            return
        self._done = True
        if failure := self.shop_stack.reset(self.supervisor):
            log.warning("what the sale left behind is still there: %s", failure)
            with contextlib.suppress(OSError):
                write_text(self.run_dir.path / "reset.failed", f"{failure}\n")


@contextlib.contextmanager
def scratch_of(supervisor: Supervisor) -> Iterator[Path]:
    """An empty folder while the context lasts; also where the harness is killed meanwhile, it goes with the guard."""
    folder = Path(tempfile.mkdtemp(prefix="loadtest-scratch-"))
    supervisor.remove_at_exit(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
