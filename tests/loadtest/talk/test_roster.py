"""Who each buyer is: by a pattern, or by a row of a file that each has to themselves."""

import csv
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.errors import UsageError
from loadtest.experiment.schema import Experiment
from loadtest.manifest.accounts import Buyers
from loadtest.talk.roster import Roster, Rows, needed, read_roster, rooms


def experiment(buyers: int = 3, **more: Any) -> Experiment:
    return Experiment.model_validate({"buyers": buyers, **more})


def read(path: Path, text: str | bytes, most: int = 100, **settings: Any) -> Rows:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return Rows.read(path, most, Buyers.model_validate({"file": path.name, **settings}))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "users.csv"


def everything(rows: Rows) -> list[list[str]]:
    return [rows.row(n) for n in range(len(rows))]


@pytest.mark.parametrize(
    "text",
    [
        "name,pin\nann,1\nbob,2\n",
        "name,pin\nann,1\nbob,2",
        "\ufeffName;Pin\r\nann;1\r\nbob;2\r\n",
        "NAME\tpin\nann\t1\n\nbob\t2\n\n",
        '"name","pin"\n"ann","1"\n"bob",2\n',
    ],
)
def test_files_as_programs_write_them(file: Path, text: str) -> None:
    rows = read(file, text)
    assert (("name", "pin"), [["ann", "1"], ["bob", "2"]]) == (rows.columns, everything(rows))


def test_quotes_separators_and_line_breaks_in_a_field(file: Path) -> None:
    rows = read(file, 'name,about\n"o""hara","a, b\nc"\nzoë,5" disk\n"x","y"\n')
    assert [['o"hara', "a, b\nc"], ["zoë", '5" disk'], ["x", "y"]] == everything(rows)


@given(
    st.lists(
        st.tuples(
            st.uuids().map(str), *[st.text(st.characters(exclude_characters="\r\0", exclude_categories=["Cs"]))] * 2
        ),
        max_size=20,
    ),
    st.sampled_from([",", ";", "\t"]),
)
def test_whatever_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, users: list[Any], separator: str
) -> None:
    path = tmp_path_factory.mktemp("users") / "users.csv"
    with path.open("w", encoding="utf-8", newline="") as written:
        csv.writer(written, delimiter=separator).writerows([("id", "a", "b"), *users])
    assert [list(user) for user in users] == everything(Rows.read(path, 100, Buyers(file="users.csv")))


@pytest.mark.parametrize(
    ("text", "settings", "said"),
    [
        ("name,pin\nann\n", {}, "row 1: expected 2 columns, as in the header, found 1"),
        ("name,pin\nann,1\nbob,2,3\n", {}, "row 2: expected 2 columns, as in the header, found 3"),
        ("name,pin\nann,1\nann,2\n", {}, "row 2: name: 'ann' is there twice; give each buyer one row"),
        ("pin,name\n1,ann\n2,ann\n", {"id": "{name}"}, "row 2: name: 'ann' is there twice"),
        ("name,pin\n ,1\n", {}, "row 1: name: expected a name, found none"),
        (
            "name,pin\nann,1\nbob,x2\n",
            {"integers": ["pin"]},
            "row 2: pin: expected a whole number, as buyers.integers says, found 'x2'",
        ),
        ('name,pin\nann,"1\n', {}, "row 1: not CSV: unexpected end of data"),
        (b"name,pin\nann,\xff\n", {}, "it is not UTF-8; save it as that"),
        ("", {}, "expected a header that names every column"),
        ("name,,pin\n", {}, "expected a header that names every column"),
        ("name,Name\n", {}, "two columns are called 'name'"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_line(file: Path, text: Any, settings: Any, said: str) -> None:
    with pytest.raises(UsageError) as told:
        read(file, text, **settings)
    assert str(told.value).startswith(f"buyers.file: {file}: {said}")
    assert "\n" not in str(told.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"users\.csv: cannot be read: No such file or directory"):
        Rows.read(tmp_path / "users.csv", 1, Buyers(file="users.csv"))


def test_names_that_several_columns_make_may_share_a_first_column(file: Path) -> None:
    assert 2 == len(read(file, "shop,n\na,1\na,2\n", id="{shop}-{n}"))
    assert 2 == len(read(file, "shop,pin\na,1\na,2\n", id="{shop}-{n}"))


def test_rows_beyond_those_that_are_needed_are_not_looked_at(file: Path) -> None:
    assert 1 == len(read(file, "name,pin\nann,1\nbob\n", most=1))


def test_buyers_without_a_file() -> None:
    roster = Roster(Buyers(), 10)
    assert {"buyer": "b-000001", "buyer.n": 1} == roster.buyer(0)
    assert {"buyer": "b-000099", "buyer.n": 99} == roster.buyer(98)
    assert {"buyer": "s-000002", "buyer.n": 12} == roster.account(1)
    named = Roster(Buyers(id="user{n}@example.com"), 10)
    assert {"buyer": "user7@example.com", "buyer.n": 7} == named.buyer(6)
    assert {"buyer": "user12@example.com", "buyer.n": 12} == named.account(1), "an account that the shop knows"


def test_buyers_of_a_file(file: Path) -> None:
    file.write_text("name,phone\nann,13800000001\nbob,2\neve,3\n", encoding="utf-8")
    buyers = Buyers(file="users.csv", integers=("phone",))
    roster = read_roster(buyers, file, experiment(2, traffic={"scalpers": 0.5, "scalper_accounts": 1}))
    assert {"buyer": "ann", "buyer.n": 1, "buyer.name": "ann", "buyer.phone": 13800000001} == roster.buyer(0)
    assert roster.buyer(2) is None
    assert {"buyer": "eve", "buyer.n": 3, "buyer.name": "eve", "buyer.phone": 3} == roster.account(0)
    by_phone = read_roster(Buyers(file="users.csv", id="+{phone}/{n:03d}"), file, experiment(2))
    assert "+2/002" == (by_phone.buyer(1) or {})["buyer"]


def test_how_many_users_a_sale_needs() -> None:
    assert (3, 4, 4) == tuple(rooms(experiment(3), processes) for processes in (1, 2, 4))
    scalpers = {"scalpers": 0.5, "scalper_accounts": 7}
    assert 10 == needed(experiment(3, traffic=scalpers), 1)
    assert 3 == needed(experiment(3, arrivals={"kind": "uniform", "rate_per_s": 3, "for_s": 1}), 2)


@pytest.mark.parametrize(
    ("more", "processes", "said"),
    [
        ({}, 1, "expected 3 users, one for each of 3 buyers, found 2; add rows, or set fewer buyers"),
        ({}, 2, "expected 4 users, one for each of 3 buyers (in 2 processes alike), found 2"),
        (
            {"traffic": {"scalpers": 0.5, "scalper_accounts": 7}},
            1,
            "expected 10 users, one for each of 3 buyers and of 7 scalpers' accounts, found 2",
        ),
    ],
)
def test_too_few_users_are_refused(file: Path, more: Any, processes: int, said: str) -> None:
    file.write_text("name\nann\nbob\n", encoding="utf-8")
    with pytest.raises(UsageError) as told:
        read_roster(Buyers(file="users.csv"), file, experiment(3, **more), processes)
    assert said in str(told.value)


def test_a_million_users_take_little_room(tmp_path: Path) -> None:
    """The time that it takes is measured by benchmarks/users.py; here only what does not depend on who else is at work."""
    script = f"""
import resource
from pathlib import Path
from loadtest.manifest.accounts import Buyers
from loadtest.talk.roster import Rows
path = Path({str(tmp_path / "users.csv")!r})
path.write_text("user,password,phone\\n" + "".join(f"user-{{n}},pw{{n:x}},{{13800000000 + n}}\\n" for n in range(200_000)), encoding="utf-8")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
rows = Rows.read(path, 200_000, Buyers(file="users.csv", integers=("phone",)))
assert rows.row(199_999) == ["user-199999", "pw30d3f", "13800199999"]
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, encoding="utf-8")
    assert float(done.stdout) < 300 / 5
