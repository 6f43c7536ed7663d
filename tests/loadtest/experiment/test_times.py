"""Arrival times from CSV files: read exactly, or refused with what to change; never misread."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.errors import UsageError
from loadtest.experiment.times import NS, read_times

Q = NS // 4


def times(tmp_path: Path, text: str | bytes) -> list[int]:
    path = tmp_path / "mine.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_times(path)


@pytest.mark.parametrize(
    "text",
    [
        "0\n0.25\n0.5\n",
        "time_s\n0\n0.25\n0.5",
        "time_s,clicks\r\n0.0,1\r\n0.25,1\r\n0.50,2\r\n",
        "\ufefftime_s;clicks\n0;1\n0.25;1\n0.5;2\n",
        "time_s\tclicks\n0\t1\n0.25\t1\n0.5\t2\n",
        '"time_s","who"\n"0","a, b"\n"0.25","c;d"\n"0.5","e\nf"\n',
        "who,time_s\na,0\nb,0.25\nc,0.5\n",
        "clicks;seconds\n1;0\n1;.25\n1;5e-1\n",
        "time_ms\n0\n250\n500\n",
        "Offset (ms)\n0\n250\n500\n",
        "t_us\n0\n250000\n500000\n",
        "offset_ns\n0\n250000000\n500000000\n",
        "1763000000\n1763000000.25\n1763000000.5\n",
        "1763000000000\n1763000000250\n1763000000500\n",
        "timestamp\n1763000000.000\n1763000000.250\n1763000000.500\n",
        "timestamp_ms\n1763000000000\n1763000000250\n1763000000500\n",
        "timeStamp,elapsed,label,responseCode\n1763000000000,12,buy,202\n1763000000250,9,\"buy, again\",202\n1763000000500,9,buy,410\n",
        "2026-11-11T00:00:00Z\n2026-11-11T00:00:00.25Z\n2026-11-11T08:00:00.5+08:00\n",
        "2026-11-11 00:00:00\n2026-11-11 00:00:00.250\n2026-11-11 00:00:00,500\n".replace(",500", ".500000000"),
        "when;who\n2026-11-11T00:00:00+0800;a\n2026-11-11T00:00:00,25+0800;b\n2026-11-11T00:00:00.5+08:00;c\n",
        "date\n2026-12-31 23:59:59.75 UTC\n2027-01-01 00:00:00 UTC\n2027-01-01 00:00:00.25 UTC\n",
        "0\n\n   \n0.25,anything\n0.5\n",
    ],
)  # fmt: skip
def test_the_same_arrivals_however_they_are_written(tmp_path: Path, text: str) -> None:
    assert times(tmp_path, text) == [0, Q, 2 * Q]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0,00\n0,25\n0,50\n", "line 1: '0,00' may hold a decimal comma"),
        ("0\n0,25\n0,5\n", "line 2: '0,25' may hold a decimal comma"),
        ("time_s\n0,25\n", "line 2: '0,25' may hold a decimal comma"),
        ("time_s,clicks\n0,25,1\n", "line 2: '0,25,1' may hold a decimal comma"),
        ("time_s;clicks\n0,25;1\n", "line 2: '0,25' has a decimal comma; write it with a point: 0.25"),
        ('"0,25"\n', "line 1: '0,25' has a decimal comma"),
        ("0\n0,25;1\n", "line 2: '0,25;1' may hold a decimal comma"),
        ("0.5\n1_000\n", "line 2: '1_000' is no time"),
        ("0\n٣\n", "line 2: '٣' is no time"),
        ("0\ninf\n", "line 2: 'inf' is no time"),
        ("0\n1e999\n", "line 2: 1e999 is no time"),
        ("0\n1e17\n", "line 2: 1e17 is more than 10,000,000 s after T0"),
        ("0\n0x10\n", "line 2: '0x10' is no time"),
        ("time\n0\n250\n", "line 2: 0 says no unit; call its column time_s for seconds, or time_ms"),
        ("timestamp\n5\n", "line 2: 5 says no unit"),
        ("user,elapsed_ms\n1,12\n", "line 1: 'user' is no time, and no column is named for one"),
        ("time_s,start_time\n0,1\n", "line 1: found 'time_s' and 'start_time'; expected one column"),
        ("time_s,clicks\n0,1\n,1\n", "line 3: '' is no time"),
        ("1763000000000\n1763000000\n", "line 2: 1763000000 comes after a later time"),
        ("2026-11-11T00:00:00Z\n2026-11-11T00:00:01\n", "line 2: '2026-11-11T00:00:01' is not written like the first time"),
        ("2026-11-11T00:00:00Z\n0.5\n", "line 2: '0.5' is not written like the first time"),
        ("2026-02-30T00:00:00Z\n", "line 1: '2026-02-30T00:00:00Z' is no time: day"),
        ("2026-11-11\n", "'2026-11-11' is no time"),
        ("timeStamp,elapsed\n1763000000250,5\n1763000000000,5\n", "line 3: 1763000000000 comes after a later time; expected ascending times: sort"),
        ("0\n-0.5\n", "line 2: -0.5 is before T0"),
        ('0\n"0.5\n', "cannot be read as CSV"),
        ("0\n0.5\x00\n", "line 2"),
        (b"0\n\xff\n", "save it as UTF-8"),
        ("time_s\n0\n".encode("utf-16"), "save it as UTF-8"),
    ],
)  # fmt: skip
def test_what_could_be_misread_is_refused_with_its_line_and_the_remedy(
    tmp_path: Path, text: str | bytes, said: str
) -> None:
    with pytest.raises(UsageError) as error:
        times(tmp_path, text)
    assert said in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_times_of_a_directory(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read as CSV: Is a directory"):
        read_times(tmp_path)


def test_an_empty_file_has_no_arrivals(tmp_path: Path) -> None:
    assert times(tmp_path, "") == times(tmp_path, "time_s,clicks\n") == times(tmp_path, b"\xef\xbb\xbf\r\n") == []


def seconds(ns: int) -> str:
    return f"{ns // NS}.{ns % NS:09d}"


def iso(ns: int) -> str:
    return f"{datetime(2026, 11, 11, tzinfo=UTC) + timedelta(seconds=ns // NS):%Y-%m-%dT%H:%M:%S}.{ns % NS:09d}Z"


@given(
    gaps=st.lists(st.integers(0, 10**12), max_size=30),
    written=st.sampled_from([("time_s", seconds), ("", seconds), ("offset_ns", str), ("when", iso), ("", iso)]),
    separator=st.sampled_from([",", ";", "\t"]),
    end=st.sampled_from(["\n", "\r\n"]),
    quote=st.sampled_from(["", '"']),
    mark=st.sampled_from(["", "\ufeff"]),
    further=st.booleans(),
)
def test_a_round_trip_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, gaps: list[int], written: tuple[str, Callable[[int], str]], separator: str,
    end: str, quote: str, mark: str, further: bool,
) -> None:  # fmt: skip
    header, form = written
    plan = [at for at in accumulate(gaps) if at < 10**16]
    plan = [at - plan[0] for at in plan] if form is iso and plan else plan
    rows = [[f"{quote}{form(at)}{quote}", *(["1"] if further else [])] for at in plan]
    rows = [[f"{quote}{header}{quote}", *(["clicks"] if further else [])], *rows] if header else rows
    text = mark + "".join(separator.join(row) + end for row in rows)
    path = tmp_path_factory.mktemp("times") / "mine.csv"
    path.write_bytes(text.encode())
    assert read_times(path) == plan
