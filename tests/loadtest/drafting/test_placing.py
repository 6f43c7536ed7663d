"""`loadtest init`: what it writes, what it says is next, and what it never does."""

import json
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from loadtest.cli.main import main
from loadtest.drafting.draft import SCHEMA_FILE, marks_in
from loadtest.drafting.placing import templates
from loadtest.errors import UsageError
from loadtest.experiment.schema import Experiment
from loadtest.manifest.loading import load_shop
from loadtest.manifest.marks import MARK

CURL = "curl http://127.0.0.1:8000/buy -d name=Ann"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user is in an empty directory."""
    monkeypatch.chdir(tmp_path)


def init(*arguments: str, given: str | None = None) -> Result:
    return CliRunner().invoke(main, ["init", *arguments], input=given)


def test_it_says_what_is_marked_and_what_is_next() -> None:
    done = init("--curl", CURL)
    assert done.exit_code == 0, done.output
    text = Path("shop.toml").read_text(encoding="utf-8")
    marked = [line for line in done.stdout.splitlines() if MARK in line]
    assert len(marked) == marks_in(text) == 3
    assert all(line.split(maxsplit=2)[2] in text for line in marked)
    assert "loadtest check shop.toml" in done.stdout.splitlines()[-1]


def test_an_editor_finds_its_schema_beside_it() -> None:
    init("--curl", CURL)
    first = Path("shop.toml").read_text(encoding="utf-8").splitlines()[0]
    assert first == f"#:schema {SCHEMA_FILE}"
    written = json.loads(Path(SCHEMA_FILE).read_text(encoding="utf-8"))
    assert written == json.loads(CliRunner().invoke(main, ["schema"]).stdout)


def test_nothing_is_written_over() -> None:
    Path("shop.toml").write_text("mine", encoding="utf-8")
    Path(SCHEMA_FILE).write_text("mine too", encoding="utf-8")
    done = init("--curl", CURL)
    assert (done.exit_code, Path("shop.toml").read_text(encoding="utf-8")) == (2, "mine")
    assert "shop.toml: exists, and is not written over" in done.stderr
    assert init("other.toml", "--curl", CURL).exit_code == 0
    assert Path(SCHEMA_FILE).read_text(encoding="utf-8") == "mine too"


def test_a_line_may_come_from_standard_input() -> None:
    assert init("--curl", "-", given=CURL).exit_code == 0
    assert "/buy" in Path("shop.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ([], "expected one of --curl, --har, --openapi, --template, found none"),
        (["--curl", CURL, "--har", "x"], "found --curl and --har"),
        (["--template", "celry"], "nearest valid: 'celery'"),
        (["--curl", "wget x"], "begins with curl"),
        (["nowhere/shop.toml", "--curl", CURL], "cannot be written"),
    ],
)
def test_what_is_wrong_is_one_line_and_leaves_nothing(arguments: list[str], part: str) -> None:
    done = init(*arguments)
    assert done.exit_code == 2
    assert part in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("name", templates())
def test_a_template_has_few_marks_and_is_a_manifest_without_them(name: str, tmp_path: Path) -> None:
    assert init("--template", name).exit_code == 0
    text = Path("shop.toml").read_text(encoding="utf-8")
    assert 1 <= marks_in(text) <= 5
    assert tomllib.loads(text)["name"] == tmp_path.name
    Path("users.csv").write_text("mobile,password\n1,x\n", encoding="utf-8")
    with pytest.raises(UsageError, match="is yet to be filled in"):
        load_shop(Experiment(shop="shop.toml"))
    Path("shop.toml").write_text(text.replace(MARK, "x"), encoding="utf-8")
    load_shop(Experiment(shop="shop.toml"))


def test_the_first_mark_that_is_left_is_told_with_its_line_and_what_belongs_there() -> None:
    init("--curl", CURL)
    with pytest.raises(UsageError) as error:
        load_shop(Experiment(shop="shop.toml"))
    lines = Path("shop.toml").read_text(encoding="utf-8").splitlines()
    first = next(n for n, line in enumerate(lines, 1) if MARK in line)
    assert (
        f'line {first}: contains = "{MARK}": {MARK} is yet to be filled in: what the answer says when nothing is left'
        in str(error.value)
    )
    assert "(3 lines have one)" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_mark_in_a_comment_is_none() -> None:
    init("--curl", CURL)
    text = Path("shop.toml").read_text(encoding="utf-8").replace(f'is = "{MARK}"', 'is = "won"').replace(MARK, "x")
    Path("shop.toml").write_text(text + f"# {MARK}\n[env] # {MARK}\n", encoding="utf-8")
    load_shop(Experiment(shop="shop.toml"))
