"""Thirty and more hostile surroundings: languages, variables, terminals, umasks, folders, ports, disks, limits.

In each the command ends with the exit code that it must have, says what is wrong in one line, and shows no traceback. A line of `CASES` is a
surrounding; `Here` is what it may name.
"""

import json
import os
import pty
import select
import shutil
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.needs import need

# The console script's own way: the current folder is not on the path.
LOADTEST = f"{sys.executable} -P -m loadtest"
# Held to no rate, a sale needs no quiet machine.
SALE = "run --no-report --set stock=30 --set buyers=90 --set limiter.kind=none --set arrivals.poll_s=0.2 --set drain.settle_s=0.1"
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
PLAN = "plan --stock 100 --buyers 1000 --db-budget 300/s --answer-within 60s"
# What other programs would read; a sale that read one of them would fail, or would not end.
MISLEADING = {
    "LOCUST_RUN_TIME": "1s", "LOCUST_USERS": "1", "REDIS_URL": "redis://127.0.0.1:1", "CELERY_BROKER_URL": "redis://127.0.0.1:1/7",
    "PGHOST": "127.0.0.1", "PGPORT": "1", "PGSSLMODE": "verify-full", "http_proxy": "http://127.0.0.1:1", "HTTP_PROXY": "http://127.0.0.1:1",
    "MPLBACKEND": "nonsense", "PYTHONWARNINGS": "error", "PYTHONHASHSEED": "7", "PYTHONSTARTUP": "/no/such", "DJANGO_SETTINGS_MODULE": "nowhere",
    "DATABASE_URL": "postgresql://127.0.0.1:1/x", "PYTHONOPTIMIZE": "", "COLUMNS": "many", "LINES": "-1",
}  # fmt: skip


@dataclass
class Here:
    """Where a case happens: an empty folder, a copy of the run of a sale that was judged, and a file system of its own."""

    folder: Path
    run: Path
    disk: Path

    def verdict(self) -> dict[str, object]:
        """What `verdict.json` says, which is UTF-8."""
        found: dict[str, object] = json.loads((self.run / "verdict.json").read_text(encoding="utf-8"))
        return found


@dataclass(frozen=True)
class Case:
    """`command` in a shell, where {folder}, {run} and {disk} stand for those of `Here`; what comes before makes it hostile.

    `code`: the exit code; None: that of the stored run. `says`: what is in the one line on standard error, where something is wrong.
    """

    name: str
    command: str
    code: int | None = 0
    says: str = ""
    env: dict[str, str] = field(default_factory=dict)
    before: Callable[[Here], object] = lambda _: None
    after: Callable[[Here], object] = lambda _: None
    columns: int = 0  # of a terminal; 0: there is none
    disk_kib: int = 0  # of a file system of its own; 0: none


def chinese(here: Here) -> None:
    (here.folder / "mine.toml").write_text("\ufeff# 秒杀\nstock = 0  # 一\n", encoding="utf-8")


def private(here: Here) -> None:
    for name in ("verdict.json", "report.html", "junit.xml"):
        assert stat.S_IMODE((here.run / name).stat().st_mode) == 0o600, name


def open_to_all(here: Here) -> None:
    assert stat.S_IMODE((here.run / "report.html").stat().st_mode) == 0o666


def drawn(here: Here) -> None:
    assert "</html>" in (here.run / "report.html").read_text(encoding="utf-8")
    assert "<svg" in (here.run / "report.html").read_text(encoding="utf-8")


def judged(here: Here) -> None:
    assert here.verdict()["verdict"] == "VALID"


def own_modules(here: Here) -> None:
    for name in ("celery", "locust", "redis", "duckdb", "click", "rich", "json"):
        (here.folder / f"{name}.py").write_text("raise SystemExit(9)", encoding="utf-8")
    (here.folder / "target").mkdir()
    (here.folder / "target" / "__init__.py").write_text("raise SystemExit(9)", encoding="utf-8")
    for name in ("locust.conf", ".locust.conf"):
        (here.folder / name).write_text("run-time = 1s\nno-such-option = 1\n", encoding="utf-8")
    (here.folder / "matplotlibrc").write_text("backend: nonsense\nlines.linewidth: thick\n", encoding="utf-8")
    (here.folder / "pyproject.toml").write_text("[tool.locust]\nrun-time = '1s'\n", encoding="utf-8")


def full(here: Here) -> None:
    """Fill the disk, but for what a file of a few bytes needs."""
    with (here.disk / "filler").open("wb", buffering=0) as filler:
        try:
            while True:
                filler.write(b"x" * 4096)
        except OSError:
            pass


def nearly_full(here: Here) -> None:
    """A judged run on a disk that has room for its verdict, and not for its report."""
    shutil.copytree(here.run, here.disk / "run")
    for name in ("report.html", "verdict.json"):
        (here.disk / "run" / name).unlink(missing_ok=True)
    shutil.rmtree(here.disk / "run" / "figures")
    full(here)
    with (here.disk / "filler").open("rb+") as filler:
        filler.truncate((here.disk / "filler").stat().st_size - 96 * 1024)


def half_full(here: Here) -> None:
    shutil.copytree(here.run, here.disk / "run")
    full(here)


def report_missing(here: Here) -> None:
    assert not (here.disk / "run" / "report.html").exists()
    assert json.loads((here.disk / "run" / "verdict.json").read_text(encoding="utf-8"))["verdict"] == "VALID"
    assert not list((here.disk / "run").rglob(".*")), "nothing half written is left"


def old_verdict(here: Here) -> None:
    assert json.loads((here.disk / "run" / "verdict.json").read_text(encoding="utf-8"))["verdict"] == "VALID"


def taken(here: Here) -> None:
    here.taken = socket.create_server(("127.0.0.1", 0))  # type: ignore[attr-defined]
    os.environ["TAKEN"] = str(here.taken.getsockname()[1])  # type: ignore[attr-defined]


def stray(here: Here) -> None:
    (here.run / "control").mkdir()
    (here.run / "control" / "a file of mine").touch()


# fmt: off
CASES = [
    # Languages: what the terminal has, and what files are.
    Case("locale C", f"{LOADTEST} list", env={"LC_ALL": "C"}),
    Case("locale POSIX, no UTF-8 mode", f"{LOADTEST} {PLAN}", env=ASCII | {"LC_ALL": "POSIX"}),
    Case("a terminal of GBK", f"{LOADTEST} verify {{run}}", None, env={"LC_ALL": "zh_CN.GBK", "PYTHONIOENCODING": "gbk"}, after=judged),
    Case("a terminal of ISO-8859-1", f"{LOADTEST} report {{run}}", env={"LC_ALL": "C", "PYTHONIOENCODING": "iso-8859-1"}, after=drawn),
    Case("files are UTF-8 where nothing else is", f"{LOADTEST} verify {{run}}", None, env=ASCII, after=judged),
    Case("a Chinese experiment", f"{LOADTEST} run mine.toml", 2, "stock = 0", ASCII, chinese),
    Case("a name that no terminal has", f"{LOADTEST} run $'no\\udcff\\xff.toml'", 2, "no such file", ASCII),
    Case("a sale in ASCII", f"{LOADTEST} {SALE} --out {{folder}}/out", env=ASCII | {"PYTHONIOENCODING": "ascii"}),
    # Variables that are somebody else's.
    Case("a sale among misleading variables", f"{LOADTEST} {SALE} --out {{folder}}/out", env=MISLEADING),
    Case("MPLBACKEND", f"{LOADTEST} report {{run}}", env={"MPLBACKEND": "nonsense"}, after=drawn),
    Case("warnings are errors", f"{LOADTEST} verify {{run}}", None, env={"PYTHONWARNINGS": "error"}),
    Case("a hash seed", f"{LOADTEST} verify {{run}}", None, env={"PYTHONHASHSEED": "1"}, after=judged),
    Case("no such TMPDIR", f"{LOADTEST} verify {{run}}", None, env={"TMPDIR": "/no/such"}),
    Case("no such HOME", f"{LOADTEST} report {{run}}", env={"HOME": "/no/such", "XDG_CACHE_HOME": "/no/such"}, after=drawn),
    # Terminals.
    Case("20 columns", f"{LOADTEST} verify {{run}}", None, columns=20),
    Case("TERM=dumb", f"{LOADTEST} verify {{run}}", None, env={"TERM": "dumb"}, columns=80),
    Case("no such TERM, no colour", f"{LOADTEST} list", env={"TERM": "nonsense", "NO_COLOR": "1"}, columns=80),
    Case("standard output is closed", f"{LOADTEST} verify {{run}} >&-", None),
    Case("everything is closed", f"{LOADTEST} verify {{run}} <&- >&- 2>&-", None),
    Case("head -1", f"{LOADTEST} verify {{run}} | head -1; exit ${{{{PIPESTATUS[0]}}}}", None),
    Case("a sale to a reader that left", f"{LOADTEST} {SALE} --out {{folder}}/out | true; exit ${{{{PIPESTATUS[0]}}}}"),
    Case("output to a full disk", f"{LOADTEST} verify {{run}} >/dev/full", None),
    # Umasks.
    Case("umask 077", f"umask 077; {LOADTEST} verify {{run}}", None, after=private),
    Case("umask 000", f"umask 000; {LOADTEST} verify {{run}}", None, after=open_to_all),
    # Folders.
    Case("a folder of modules that are called like ours", f"{LOADTEST} {SALE} --out out", before=own_modules),
    Case("a report beside a matplotlibrc", f"{LOADTEST} report {{run}}", before=own_modules, after=drawn),
    Case("a current folder that cannot be written", f"cd /proc; {LOADTEST} verify {{run}}", None),
    Case("runs beside nothing that can be written", f"cd /proc; {LOADTEST} run", 2, "--out runs: cannot write there"),
    Case("an --out that cannot be written", f"{LOADTEST} run --out /proc/1/out", 2, "--out /proc/1/out: cannot write there"),
    Case("an --out below a file", f"touch f; {LOADTEST} run --out f/out", 2, "cannot write there"),
    Case("a current folder that is gone", f"mkdir gone; cd gone; rmdir ../gone; {LOADTEST} verify {{run}}", None),
    Case("a path of spaces, quotes and =", f"""{LOADTEST} {SALE} --out "{{folder}}/it's a=1 [x] \\"y\\" *" """),
    Case("a stray file beside the limit", f"{LOADTEST} verify {{run}}", None, before=stray),
    # Ports.
    Case("the page's port is taken", f"{LOADTEST} run --web --web-port $TAKEN --out {{folder}}", 2, "cannot listen there", before=taken),
    Case("a Redis that is none", f"{LOADTEST} run --redis 'redis://[::1'", 2, "not a URL"),
    # Disks.
    Case("a disk that is full at the start", f"{LOADTEST} run --out {{disk}}/out", 2, "No space left on device", before=full, disk_kib=1024),
    Case("no room for the verdict", f"{LOADTEST} verify {{disk}}/run", 70, "No space left on device", before=half_full, after=old_verdict, disk_kib=4096),
    Case("no room for the report", f"{LOADTEST} verify {{disk}}/run", None, before=nearly_full, after=report_missing, disk_kib=4096),
    # Limits.
    Case("64 open files", f"ulimit -n 64; {LOADTEST} verify {{run}}", None),
    Case("a sale with 64 open files", f"ulimit -n 64; {LOADTEST} run --out {{folder}}", 2, "raise the hard limit of open files"),
    # Numbers.
    Case("no limit that is a number", f"{LOADTEST} limit inf", 2, "expected orders a second"),
    Case("half a row a second", f"{LOADTEST} {PLAN} --db-budget 0.5/s", 1),
]
# fmt: on


@pytest.fixture(scope="module")
def sold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of a small sale."""
    out = tmp_path_factory.mktemp("sold")
    code, said = shell(f"{LOADTEST} {SALE} --report --out {out}", out, {})
    assert code == 0, said
    return (out / "latest").resolve()


@pytest.fixture
def here(request: pytest.FixtureRequest, sold: Path, tmp_path: Path) -> Iterator[Here]:
    case: Case = request.param
    run = Path(shutil.copytree(sold, tmp_path / "run"))
    folder, disk = tmp_path / "folder", tmp_path / "disk"
    folder.mkdir()
    disk.mkdir()
    if case.disk_kib:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={case.disk_kib}k", "none", str(disk)],
            capture_output=True,
            check=False,
        )
        need(mounted.returncode == 0, "a file system of its own", "root, where it may mount a tmpfs", installable=False)
    try:
        yield Here(folder, run, disk)
    finally:
        if case.disk_kib:
            subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.mark.parametrize(
    ("here", "case"), [(case, case) for case in CASES], indirect=["here"], ids=[case.name for case in CASES]
)
def test_surroundings_change_no_exit_code(here: Here, case: Case) -> None:
    stored = here.verdict()["exit_code"]
    case.before(here)
    command = case.command.format(folder=here.folder, run=here.run, disk=here.disk)
    code, said = shell(command, here.folder, case.env, case.columns)
    assert code == (stored if case.code is None else case.code), said
    assert "Traceback" not in said
    assert "Exception ignored" not in said
    if case.says:
        lines = [line for line in said.splitlines() if line.strip()]
        assert len(lines) == 1, said
        assert lines[0].startswith("loadtest: ")
        assert case.says in lines[0]
    case.after(here)


def shell(command: str, folder: Path, env: dict[str, str], columns: int = 0) -> tuple[int, str]:
    """The exit code of a command, and all that it said."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "TAKEN") if name in os.environ}
    argv = ["bash", "-c", command]
    if not columns:
        done = subprocess.run(
            argv,
            cwd=folder,
            env=kept | env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=180,
            check=False,
        )
        return done.returncode, done.stdout.decode(errors="replace")
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        argv,
        cwd=folder,
        env=kept | {"COLUMNS": str(columns)} | env,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        said = b"".join(_read(ours, process))
    os.close(ours)
    return process.returncode, said.decode(errors="replace")


def _read(terminal: int, process: "subprocess.Popen[bytes]") -> Iterator[bytes]:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                yield os.read(terminal, 65536)
            except OSError:  # everybody at the other end has left
                return
        elif process.poll() is not None:
            return
    process.kill()
