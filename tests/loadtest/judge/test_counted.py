"""Counted units: the shop makes its own ids, and what is sold, left and on its way must add up to the stock."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st


def texts(verdict):
    return " | ".join(f"{doubt.text} → {doubt.remedy}" for doubt in verdict.doubts)


def failed(verdict):
    return {check.name for check in verdict.checks if check.verdict == "INVALID"}


def shop(history, stock=3, buyers=6, *declared, **how):
    """A correct sale: ids are the shop's own."""
    told = history(stock).counted(*declared, **how)
    for n in range(1, buyers + 1):
        if n <= stock:
            told.buys(f"u-{n}", won=f"{7000 + n}", at=n / 1000).row(f"{7000 + n}", f"u-{n}", at=n / 1000 + 0.05)
        else:
            told.buys(f"u-{n}", at=n / 1000)
    return told


def test_a_correct_shop_with_ids_of_its_own(history, judged):
    verdict = judged(shop(history))
    assert ("VALID", 14) == (verdict.verdict, verdict.scope.judged), texts(verdict)
    assert "3 units · 3 sold · 0 oversold · 0 lost · 0 duplicated · 0 leaked" == verdict.sentence


# Oversell.


def test_more_units_than_stock(history, judged):
    verdict = judged(shop(history).buys("u-9", won="7009", at=0.001).row("7009", "u-9", at=1))
    assert (1, {"oversell"}) == (verdict.counts.oversold, failed(verdict)), texts(verdict)
    (oversell,) = [check for check in verdict.checks if check.name == "oversell"]
    assert ("row 7009 of u-9 is of unit 4 of a stock of 3",) == oversell.witnesses
    assert ("4 units, 1 oversold", "≤ 3 units") == (oversell.observed, oversell.bound)


def test_units_are_summed_not_rows(history, found):
    told = history(10).counted("rows.quantity").row("1", "u-1", at=1, quantity=8).row("2", "u-2", at=2, quantity=4)
    result = found("oversell", told)
    assert (2, ("row 2 of u-2 is of unit 9 to 12 of a stock of 10",)) == (result.units, result.finding.witnesses)
    assert 0 == found("oversell", history(12).counted().row("1", "u-1", quantity=8).row("2", "u-2", quantity=4)).units


def test_each_item_has_its_own_stock_and_the_witness_names_it(history, found):
    told = history(3).counted("rows.item", items={"cup": 1, "pen": 2})
    told.row("1", "u-1", item="cup", at=1).row("2", "u-2", item="cup", at=2)
    result = found("oversell", told)
    assert (1, ("row 2 of u-2 is of unit 2 of a stock of 1 of cup",)) == (result.units, result.finding.witnesses)
    assert "≤ 3 units: 1 of cup, 2 of pen" == result.finding.bound


def test_an_item_that_was_never_for_sale(history, found):
    told = history(3).counted("rows.item", items={"cup": 1, "pen": 2}).row("1", "u-1", item="hat")
    assert ("row 1 of u-1: the item hat was never for sale",) == found("oversell", told).finding.witnesses


def test_several_items_need_an_item_in_the_rows(history, judged):
    verdict = judged(shop(history, items={"cup": 1, "pen": 2}))
    assert ("UNKNOWN", True) == (verdict.verdict, "rows do not say which was sold" in verdict.sentence)


def test_of_several_items_what_buyers_wanted_is_not_known(history, judged):
    told = shop(history, 3, 6, "rows.item", items={"cup": 1, "pen": 2})
    for row, item in zip(told.tables["orders"], ("cup", "pen", "pen"), strict=True):
        row["item"] = item
    verdict = judged(told)
    (lack,) = verdict.scope.lacks
    assert ("VALID", ("undersell", "sold_out_early")) == (verdict.verdict, lack.checks), texts(verdict)


@settings(max_examples=40)
@given(
    orders=st.lists(st.tuples(st.sampled_from(["cup", "pen"]), st.integers(1, 4)), max_size=12),
    stocks=st.tuples(st.integers(1, 12), st.integers(1, 12)),
)
def test_what_is_oversold_is_what_is_more_than_each_stock(history, found, orders, stocks):
    items = dict(zip(("cup", "pen"), stocks, strict=True))
    told = history(sum(stocks)).counted("rows.item", "rows.quantity", items=items)
    for n, (item, quantity) in enumerate(orders):
        told.row(str(n), f"u-{n}", at=n, item=item, quantity=quantity)
    sold = {name: sum(q for item, q in orders if item == name) for name in items}
    assert sum(max(0, sold[name] - items[name]) for name in items) == found("oversell", told).units


# The balance.


def test_a_unit_that_is_nowhere(history, judged):
    verdict = judged(shop(history, stock=3, buyers=8).with_sale(stock=4))
    assert ({"leaked", "undersell"}, 1) == (failed(verdict), verdict.counts.leaked)
    (leaked,) = [check for check in verdict.checks if check.name == "leaked"]
    assert ("1 unit is nowhere: 4 for sale, of which 3 are in rows, 0 left",) == leaked.witnesses


def test_a_unit_that_was_sold_and_is_still_counted(history, judged):
    verdict = judged(shop(history, left=1))
    assert ({"leaked"}, 0, 1) == (failed(verdict), verdict.counts.leaked, verdict.counts.misplaced)


@pytest.mark.parametrize("left", [-300, -1, 0])
def test_a_counter_that_everybody_took_one_from_is_empty(history, judged, left):
    assert "VALID" == judged(shop(history, left=left)).verdict


def test_what_was_oversold_is_not_in_two_places_as_well(history, judged):
    told = shop(history).buys("u-9", won="7009", at=0.001).row("7009", "u-9")
    assert {"oversell"} == failed(judged(told)) == failed(judged(told.with_sale(left_units=-1)))


def test_a_held_claim_is_a_place_and_one_beside_its_row_is_none(history, found):
    told = shop(history, 3, 6, "claims").with_sale(stock=4)
    assert "INVALID" == found("leaked", told.claim("7001", "u-1")).finding.verdict
    assert "VALID" == found("leaked", told.claim("7010", "u-10")).finding.verdict
    assert "INVALID" == found("leaked", told.claim("7011", "u-11")).finding.verdict


def test_a_set_of_the_buyers_who_have_one_is_no_set_of_held_claims(history, found):
    told = shop(history, 3, 6, "claims")
    for n in (1, 2, 3):
        told.claim(f"u-{n}", None)
    assert "VALID" == found("leaked", told).finding.verdict


def test_before_it_has_drained_the_balance_is_open(history, found):
    told = shop(history).with_sale(stock=5).undrained()
    result = found("leaked", told)
    assert ("UNKNOWN", True) == (result.finding.verdict, "nothing is final" in result.doubts[0].text)
    queued = shop(history, 3, 6, "queue").with_sale(stock=5).undrained().queued(None).queued(None)
    assert "VALID" == found("leaked", queued).finding.verdict


def test_what_is_left_and_was_not_read_is_unknown(history, judged, tmp_path):
    verdict = judged(shop(history, left=None))
    assert ("UNKNOWN", True) == (verdict.verdict, "left missing: it was not read" in texts(verdict))
    assert "[final] left" in texts(verdict)


def test_without_left_the_balance_is_not_judged(history, judged):
    verdict = judged(shop(history, but=("left",)))
    assert ("VALID", ["leaked"]) == (verdict.verdict, [name for lack in verdict.scope.lacks for name in lack.checks])


@settings(max_examples=40)
@given(stock=st.integers(1, 20), sold=st.integers(0, 24), left=st.integers(-30, 24), held=st.integers(0, 5))
def test_a_balance_that_adds_up_is_the_only_one_that_passes(history, found, stock, sold, left, held):
    told = history(stock).counted("claims", left=left)
    for n in range(sold):
        told.row(str(n), f"u-{n}")
    for n in range(held):
        told.claim(f"c-{n}", f"h-{n}")
    difference = stock - min(sold, stock) - max(left, 0) - held
    result = found("leaked", told)
    assert (abs(difference), "INVALID" if difference else "VALID") == (result.units, result.finding.verdict)


# Lost.


def test_a_win_without_a_number_needs_a_row_of_its_buyer(history, found):
    told = history(3).counted(but=("number",)).buys("u-1", "won").row("1", "u-1").buys("u-2", "won")
    result = found("lost", told)
    assert (1, True) == (result.units, "u-2 was told that a unit is theirs" in result.finding.witnesses[0])


def test_where_rows_have_no_number_their_buyer_must_have_one(history, found):
    told = history(3).counted(but=("rows.number",)).buys("u-1", won="1").row(None, "u-1").buys("u-2", won="2")
    result = found("lost", told)
    assert (1, "u-2") == (result.units, result.finding.witnesses[0][:3])


def test_without_buyers_there_are_as_many_rows_as_wins(history, found):
    told = history(3).counted(but=("rows.buyer", "number"))
    told.buys("u-1", "won").buys("u-2", "won", at=1).row("1", None).row("2", None)
    assert "VALID" == found("lost", told).finding.verdict
    assert 1 == found("lost", told.buys("u-3", "won", at=2)).units


def test_without_buyers_a_number_still_names_its_row(history, found):
    told = history(3).counted(but=("rows.buyer",)).buys("u-1", won="1").row("9", None)
    assert "u-1 was told that 1 is theirs" in found("lost", told).finding.witnesses[0]


def test_one_row_of_two_units_may_be_two_orders_of_one(history, found):
    told = (
        history(9).counted("rows.quantity", but=("number", "rows.number")).buys("u-1", "won").buys("u-1", "won", at=1)
    )
    told.row(None, "u-1", quantity=2).row(None, "u-2", quantity=1)
    assert "VALID" == found("lost", told).finding.verdict
    told.tables["orders"].pop()
    assert 1 == found("lost", told).units


@settings(max_examples=30)
@given(
    wins=st.lists(st.integers(0, 2), min_size=1, max_size=6), rows=st.lists(st.integers(0, 2), min_size=1, max_size=6)
)
def test_lost_is_what_buyers_were_promised_and_do_not_have(history, found, wins, rows):
    told = history(20).counted(but=("number", "rows.number"))
    for n, count in enumerate(wins):
        for again in range(count):
            told.buys(f"u-{n}", "won", at=again)
    for n, count in enumerate(rows):
        for _ in range(count):
            told.row(None, f"u-{n}")
    owed = [max(0, count - (rows[n] if n < len(rows) else 0)) for n, count in enumerate(wins)]
    assert sum(owed) == found("lost", told).units


# Duplicates, and several items of one order.


def test_several_items_of_one_order_are_no_duplicate_and_one_order(history, judged, found):
    told = history(4).counted("rows.item", items={"cup": 2, "pen": 2}).buys("u-1", won="1")
    told.row("1", "u-1", item="cup").row("1", "u-1", item="pen")
    assert "VALID" == found("duplicate", told).finding.verdict
    assert "VALID" == found("phantom", told).finding.verdict
    assert 1 == judged(told).rate.max_1s
    assert ("1 has 2 rows: u-1, u-1",) == found("duplicate", told.row("1", "u-1", item="pen")).finding.witnesses


def test_several_items_of_an_order_without_a_number(history, found):
    told = history(4).counted("rows.item", items={"cup": 2, "pen": 2}, but=("rows.number",)).buys("u-1", "won")
    told.row(None, "u-1", item="cup").row(None, "u-1", item="pen")
    assert "VALID" == found("phantom", told).finding.verdict
    assert "INVALID" == found("phantom", told.row(None, "u-1", item="pen")).finding.verdict


def test_flatness_counts_orders_not_units(history, found):
    limited = {"limiter_kind": "flat", "configured_per_s": 2.0, "burst": 1}
    told = history(99, **limited).counted("rows.quantity")
    for n in range(3):
        told.row(str(n), f"u-{n}", at=1 + n / 10, quantity=9)
    assert "VALID" == found("flatness", told).finding.verdict
    assert "INVALID" == found("flatness", told.row("9", "u-9", at=1.5)).finding.verdict


def test_per_buyer_counts_units_where_rows_have_a_quantity(history, found):
    told = history(9, per_buyer=2).counted("rows.quantity").row("1", "u-1", quantity=2)
    assert "VALID" == found("per_buyer", told).finding.verdict
    assert (
        "u-1 has 3 units and 0 promises; the cap is 2"
        in found("per_buyer", told.row("2", "u-1", quantity=1)).finding.witnesses
    )


# Undersell, and the end of a sale.


def test_units_that_enough_buyers_asked_for(history, found):
    result = found("undersell", shop(history, 3, 8).with_sale(stock=5, left_units=2))
    assert (2, ("2 of 5 units were not sold, and 8 buyers asked; 2 are left",)) == (
        result.units,
        result.finding.witnesses,
    )
    assert "VALID" == found("undersell", shop(history, 3, 3).with_sale(stock=5, left_units=2)).finding.verdict


def test_units_that_only_buyers_without_an_answer_wanted(history, found):
    told = shop(history, 3, 3).with_sale(stock=4, left_units=1).buys("u-9", "unknown", http=None)
    assert "UNKNOWN" == found("undersell", told).finding.verdict
    assert "INVALID" == found("undersell", told.with_sale(left_units=0)).finding.verdict


def test_too_few_for_any_order_are_not_undersold(history, found):
    told = history(5).counted("rows.quantity", left=1)
    for n in range(8):
        told.buys(f"u-{n}", "won" if n < 2 else "sold_out")
    told.row("1", "u-0", quantity=2).row("2", "u-1", quantity=2)
    assert "VALID" == found("undersell", told).finding.verdict
    assert 3 == found("undersell", told.with_sale(stock=7, left_units=3)).units


def test_demand_is_of_units(history, judged):
    told = history(4, per_buyer=2).counted("rows.quantity")
    for n in range(4):
        told.buys(f"u-{n}", won=f"{n}") if n < 2 else told.buys(f"u-{n}")
    told.row("0", "u-0", quantity=2).row("1", "u-1", quantity=2)
    assert "VALID" == judged(told).verdict, texts(judged(told))


def late(history, quantities, **sale):
    told = history(9, **sale).counted("rows.quantity")
    for n, quantity in enumerate(quantities):
        told.buys(f"u-{n}", won=f"{n}", at=n).row(f"{n}", f"u-{n}", at=n, quantity=quantity)
    return told.buys("u-x", at=len(quantities) - 1.5)


def test_a_late_win_of_fewer_units_proves_nothing(history, found):
    assert "INVALID" == found("sold_out_early", late(history, [2, 2, 2])).finding.verdict
    result = found("sold_out_early", late(history, [2, 2, 1]))
    assert ("UNKNOWN", True) == (result.finding.verdict, "fewer units" in result.doubts[0].text)


# Numbered units stay what they were, whatever columns there are.


def test_a_quantity_of_a_numbered_unit_is_one(fair, judged):
    told = fair().declares_all_but()
    told.scope["declared"].append("rows.quantity")
    for row in told.tables["orders"]:
        row["quantity"] = 5
    assert ("VALID", 3) == (judged(told).verdict, judged(told).counts.sold)
