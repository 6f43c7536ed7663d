"""The probe of the truth: how many orders are stored, whatever they are stored in."""

from loadtest.ledger.databases import dialect_of
from loadtest.probes import Reading, Subject, seldom


class TruthProbe:
    """Rows of the sale. A command is not asked: to start a program every half second would cost the shop more than it tells."""

    def __init__(self, subject: Subject) -> None:
        self._reader = subject.reader()
        self._rows = subject.final.rows
        self._due = seldom()
        self._readable = False

    def read(self) -> Reading:
        """rows, at one tick in `SELDOM`: it reads every row."""
        if not next(self._due) or not self._may_read():
            return {}
        return {"rows": float(self._reader.count(self._rows))}

    def close(self) -> None:
        """Close its connections."""
        self._reader.close()

    def _may_read(self) -> bool:
        """Whether a look changes nothing for whoever writes meanwhile."""
        if self._rows.kind != "sql":
            return self._rows.kind != "command"
        if not self._readable:  # a shop that starts may still make it so
            database = self._reader.database
            self._readable = dialect_of(database.url).unfelt(database.engine)
        return self._readable
