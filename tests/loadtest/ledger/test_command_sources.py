import sys
from pathlib import Path

import pytest

from loadtest.errors import UsageError
from loadtest.ledger.rows import Row
from loadtest.ledger.sources import Reader
from loadtest.manifest.final import Source
from loadtest.stack import Services
from loadtest.stack.whereabouts import Whereabouts

SERVICES = Services("", "", "")
MOMENT_NS = 1_767_225_600 * 10**9


@pytest.fixture
def reader() -> Reader:
    return Reader(SERVICES, "s", 3, whereabouts=Whereabouts(SERVICES, {"python": sys.executable, "sale": "s"}, {}))


def printing(text: str) -> Source:
    return Source(command=("{python}", "-c", f"import sys; sys.stdout.buffer.write({text.encode()!r})"))


@pytest.mark.parametrize(
    "printed",
    [
        "number,buyer,created_at,quantity,item\n41,b-1,2026-01-01T00:00:00Z,2,sku-1\n42,,,,\n",
        "\ufeffnumber;buyer;created_at;quantity;item\r\n41;b-1;1767225600;2;sku-1\r\n42;;;;\r\n",
        'note\tnumber\tbuyer\tcreated_at\tquantity\titem\n"a\tb"\t41\tb-1\t1767225600000\t2\tsku-1\n-\t42\t\t\t\t\n',
        '{"number": 41, "buyer": "b-1", "created_at": 1767225600, "quantity": 2, "item": "sku-1"}\n{"number": 42.0}\n',
        '[{"number": "41", "buyer": "b-1", "created_at": "2026-01-01 00:00:00", "quantity": 2.0, "item": "sku-1"},\n {"number": "42"}]',
        (
            '{"number": {"$numberLong": "41"}, "buyer": "b-1", "created_at": {"$date": {"$numberLong": "1767225600000"}}, "quantity": 2, '
            '"item": "sku-1"}\n\n{"number": {"$oid": "42"}}'
        ),
    ],
)
def test_rows_are_read_from_csv_and_json_lines(reader: Reader, printed: str) -> None:
    rows = printing(printed)
    reader.check("rows", rows)
    assert list(reader.rows(rows)) == [Row("41", "b-1", MOMENT_NS, 2, "sku-1"), Row("42")]
    assert reader.columns(rows) == {"number", "buyer", "created_at", "quantity", "item"}
    assert (reader.count(rows), reader.units(rows)) == (2, 3)
    assert reader.clock(rows) is None


def test_what_prints_nothing_has_no_rows_and_tells_no_columns(reader: Reader) -> None:
    assert (list(reader.rows(printing(""))), reader.columns(printing("")), reader.count(printing("\n"))) == (
        [],
        None,
        0,
    )
    assert reader.columns(printing("number,buyer\n")) == {"number", "buyer"}


def test_other_sets_are_read_by_name_or_by_place(reader: Reader) -> None:
    assert list(reader.pairs(printing("buyer,number\nb-1,41\n"))) == [("41", "b-1")]
    assert list(reader.pairs(printing("id,user_id\n41,b-1\n"))) == [("41", "b-1")]
    assert list(reader.numbers(printing("id\n41\n42\n"))) == ["41", "42"]


@pytest.mark.parametrize(("printed", "left"), [("7\n", 7), ("-1", -1), ('{"left": 7}', 7), ("left\n7\n", 7)])
def test_a_count_is_one_number(reader: Reader, printed: str, left: int) -> None:
    assert reader.left(printing(printed)) == left


@pytest.mark.parametrize(
    ("name", "printed", "sentence"),
    [
        ("left", "many", r"\[final\] left: expected one number, found nothing"),
        ("left", '{"left": 1.5}', r"\[final\] left: expected a whole number, found '1.5'"),
        ("left", "1\n2\n", r"\[final\] left: expected one number, found 2 rows of 1"),
        ("rows", "number,buyer\n41\n", r"\[final\] rows: line 2: expected 2 values, one for each of number, buyer, found 1"),
        ("rows", '{"number": 41', r"\[final\] rows: line 1: not JSON: .*; expected CSV with a header, or one JSON object a line"),
        ("rows", "[41]", r"\[final\] rows: expected CSV with a header, or one JSON object a line, found '41'"),
        ("rows", "orderId,user\n41,b-1\n", r"\[final\] rows: expected columns number, .*, found orderId, user; select what"),
        ("rows", "number,createdAt\n41,1\n", r"\[final\] rows: found the column 'createdAt'; select it AS created_at"),
        ("rows", "number,created_at\n41,soon\n", r"created_at: expected a moment, found 'soon'; give it as text such as"),
        ("rows", "number,quantity\n41,two\n", r"\[final\] rows: quantity: expected a whole number, found 'two'"),
    ],
)  # fmt: skip
def test_what_is_neither_is_told_in_one_line(reader: Reader, name: str, printed: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence) as error:
        reader.check(name, printing(printed))
    assert "\n" not in str(error.value)


def test_a_command_that_fails_is_told_with_what_it_complained_of(reader: Reader, tmp_path: Path) -> None:
    command = Source(command=("{python}", "-c", "raise SystemExit('no such collection: orders')"))
    with pytest.raises(
        UsageError, match=r"\[final\] rows: .* ended with 1: no such collection: orders; run it by hand"
    ):
        reader.check("rows", command)
