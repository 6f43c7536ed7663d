"""Suspicions: each beside the broken shop that looks most like it, which is INVALID all the same."""

import pytest

from loadtest.judge.checks import CHECKS
from loadtest.judge.declared import FORMERLY
from loadtest.judge.doubts.suspicions import RULES
from loadtest.judge.tables import FILES


def texts(verdict):
    return " | ".join(f"{doubt.text} → {doubt.remedy}" for doubt in verdict.doubts)


def failed(verdict):
    return {check.name for check in verdict.checks if check.verdict == "INVALID"}


def disbelieved(verdict):
    return {check.name for check in verdict.checks if check.not_believed}


def unknown(verdict, *words):
    """The run is UNKNOWN for a suspicion that says all this, and no check is INVALID."""
    assert ("UNKNOWN", set()) == (verdict.verdict, failed(verdict)), verdict.sentence
    assert all(word in texts(verdict) for word in words), texts(verdict)
    assert verdict.doubts[0].text in verdict.sentence
    return verdict


def shop(history, stock=4, buyers=10, *more, told=True, **how):
    """A correct shop whose ids are its own: its buyers asked one after the other."""
    sale = history(stock).counted(*more, **how)
    for n in range(1, buyers + 1):
        if n <= stock:
            number = f"{7000 + n}"
            sale.buys(f"u-{n}", "won", number=number if told else None, at=n / 1000).row(
                number, f"u-{n}", at=n / 1000 + 0.05
            )
        else:
            sale.buys(f"u-{n}", at=n / 1000, http=410)
    return sale


def rows(told):
    return told.tables["orders"]


# Answers that no rule names.


def test_no_answer_is_named(history, judged):
    told = history(4).counted(left=4).answered(422, "unknown", '{"detail":\n "field required"}', n=10)
    for n in range(10):
        told.buys(f"u-{n}", "unknown", http=422)
    unknown(
        judged(told),
        '10 of 10 buys: 422, no rule; first body: {"detail": "field required"}',
        "mend the request of [http.buy]",
    )


def test_everybody_is_refused(history, judged):
    told = history(4).counted(left=4)
    for n in range(10):
        told.buys(f"u-{n}", "refused", http=404)
    unknown(judged(told), "10 of 10 buys: 404, refused")


def test_unnamed_answers_do_not_hide_more_rows_than_stock(history, judged):
    told = history(2).counted()
    for n in range(10):
        told.buys(f"u-{n}", "unknown", http=200)
    for n in range(3):
        told.row(f"{n}", f"u-{n}")
    assert {"oversell"} == failed(judged(told))


@pytest.mark.parametrize(("http", "answers"), [(500, 10), (418, 2)])
def test_errors_of_the_shop_and_a_few_answers_are_no_matter_of_rules(history, judged, http, answers):
    told = history(4).counted(left=4)
    for n in range(answers):
        told.buys(f"u-{n}", "unknown", http=http)
    assert "no rule" not in texts(judged(told))


# Rules that match what they should not.


def test_winners_are_answered_what_is_named_otherwise(history, judged):
    told = shop(history).answered(200, "sold_out", '{"code": 0}')
    for op in told.ops:
        op |= {"o": "sold_out", "n": None, "h": 200}
    verdict = unknown(
        judged(told),
        "nobody won by the rules of the manifest, and yet there are 4 rows",
        'first body: {"code": 0}',
        "won",
    )
    assert {"phantom"} == disbelieved(verdict)
    (phantom,) = [check for check in verdict.checks if check.name == "phantom"]
    assert ("UNKNOWN", 4, None) == (phantom.verdict, len(phantom.witnesses), verdict.counts.phantom)


def test_one_who_won_is_enough_to_believe_the_rules(history, judged):
    told = shop(history)
    for op in told.ops[1:]:
        op |= {"o": "sold_out", "n": None}
    assert "phantom" in failed(judged(told))


def test_a_shop_that_takes_everybody_for_a_duplicate_and_sells_nothing(history, judged):
    told = history(4).counted(left=4)
    for n in range(10):
        told.buys(f"u-{n}", "already_bought", http=409)
    assert {"undersell", "lockout"} == failed(judged(told))


def test_rows_without_buyers_and_nobody_won(history, judged):
    told = shop(history, but=("rows.buyer",))
    for row in rows(told):
        row["buyer"] = None
    for op in told.ops:
        op |= {"o": "throttled", "n": None}
    unknown(judged(told), "nobody won by the rules of the manifest")


def test_the_rules_are_the_wrong_way_round(history, judged):
    told = shop(history, told=False)
    for op in told.ops:
        op["o"] = {"won": "sold_out", "sold_out": "won"}[op["o"]]
    verdict = unknown(
        judged(told), "none of 6 who won has a row, and 4 buyers have one who were answered", "the wrong way round"
    )
    assert {"lost", "phantom"} <= disbelieved(verdict)


SHORT = "[http.buy.outcomes]\n200 = 'won'\n410 = 'sold_out'"
LONG = "[[http.buy.outcomes]]\nstatus = 200\nis = 'won'\nnumber = 'json:id'"


@pytest.mark.parametrize("manifest", [SHORT, LONG])
def test_everybody_is_answered_200_and_the_body_is_not_looked_at(history, judged, manifest):
    told = shop(history).says(manifest)
    for op in told.ops:
        op |= {"o": "won", "h": 200}
    verdict = unknown(
        judged(told),
        "all of 10 buyers were answered 200 and taken for winners, and 4 units were for sale; 6 promises are of buyers without a row",
        "json, contains",
    )
    assert {"lost"} == disbelieved(verdict)


@pytest.mark.parametrize(("manifest", "http", "other"), [
    (LONG.replace("status = 200", "json = { code = 0 }"), 200, "won"),
    (LONG + "\njson = { code = 0 }", 200, "won"),
    (SHORT.replace("200", "202"), 202, "won"),
    (SHORT, 200, "sold_out"),
    ("", 200, "won"),
    ("[http.buy", 200, "won"),
    ("[http.buy]\noutcomes = 3", 200, "won"),
])  # fmt: skip
def test_a_rule_that_looks_at_more_than_200_is_believed(history, judged, manifest, http, other):
    told = shop(history).says(manifest)
    for op in told.ops:
        op |= {"o": "won", "h": http}
    told.ops[-1] |= {"o": other}
    assert "lost" in failed(judged(told))


def test_more_rows_than_stock_are_too_many_whoever_was_told_what(history, judged):
    told = shop(history).says(SHORT).row("7005", "u-5")
    for op in told.ops:
        op |= {"o": "won", "h": 200}
    assert {"oversell"} == failed(judged(told))


def test_losers_who_are_told_of_a_win_are_lost(history, judged):
    told = shop(history, told=False)
    for op in told.ops:
        op["o"] = "won"
    assert "lost" in failed(judged(told))


def test_orders_that_all_went_to_others_are_the_shops(fair, judged):
    """The numbers that were told are those that were sold: it is the buyers that were mixed up."""
    told = fair(stock=3, buyers=6).declares_all_but()
    for row, other in zip(rows(told), ("b-4", "b-5", "b-6"), strict=True):
        row["buyer"] = other
    assert {"phantom", "wrong_owner"} <= failed(judged(told))


# Numbers.


def test_no_told_number_is_a_row(history, judged):
    told = shop(history)
    for op in told.ops:
        op["n"] = op["n"] and f"task-{op['n']}"
    verdict = unknown(
        judged(told),
        "answers told 4 numbers, such as task-7001, of which none is a row, though there are rows of the same buyers",
        "such as 7001",
    )
    assert {"lost", "phantom"} == disbelieved(verdict)


def test_one_number_for_all_is_no_number(history, judged):
    told = shop(history)
    for op in told.ops:
        op["n"] = op["n"] and "ok"
    assert "double_promise" in disbelieved(unknown(judged(told), "such as ok, of which none is a row"))


def test_without_buyers_in_rows_as_many_rows_do(history, judged):
    told = shop(history, but=("rows.buyer",))
    for row in rows(told):
        row["buyer"] = None
    for op in told.ops:
        op["n"] = op["n"] and f"task-{op['n']}"
    unknown(judged(told), "of which none is a row, though there are rows, such as 7001")


def test_one_told_number_that_is_a_row_is_enough_to_believe_them(history, judged):
    told = shop(history)
    for op in told.ops[1:]:
        op["n"] = op["n"] and f"task-{op['n']}"
    assert "lost" in failed(judged(told))


def test_numbers_that_are_for_sale_are_the_right_ones_though_nothing_came_of_them(fair, judged):
    told = fair(stock=3, buyers=6)
    for row in rows(told):
        row["number"] = f"x-{row['number']}"
    rows(told)[0]["number"] = "s-1"
    told.ops = [op for op in told.ops if op["n"] != "s-1"]
    assert "lost" in failed(judged(told))


def test_a_shop_that_stores_nothing_for_most_is_not_excused_by_their_numbers(history, judged):
    told = shop(history, 8, 20)
    told.tables["orders"] = rows(told)[:3]
    for op in told.ops:
        op["n"] = op["n"] and f"task-{op['n']}"
    assert "lost" in failed(judged(told))


def test_no_answer_tells_a_number(history, judged):
    told = shop(history, told=False).answered(200, "won", "<h1>Thank you</h1>")
    unknown(
        judged(told),
        "none of 4 answers that won told a number; first body: <h1>Thank you</h1>",
        "mend number under [http.buy]",
    )
    assert "VALID" == judged(shop(history, told=False, but=("number",))).verdict


# Rows.


@pytest.mark.parametrize("extra", [0, 1])
def test_every_row_is_a_stranger(fair, judged, extra):
    told = fair(stock=3, buyers=8)
    told.tables["claims"].clear()
    for row in rows(told):
        row["number"] = row["number"].replace("s-", "order-")
    for op in told.ops:
        op["n"] = op["n"] and op["n"].replace("s-", "order-")
    for n in range(extra):
        told.buys(f"b-9{n}", "unknown", http=None).row(f"order-9{n}", f"b-9{n}")
    if extra:
        assert "oversell" in failed(judged(told)), "more rows than stock are too many, whatever they are called"
    else:
        verdict = unknown(
            judged(told),
            "none of 3 rows has a number that was for sale: rows have such as order-1, and seeded are such as s-1",
        )
        assert "counted" in texts(verdict)
        assert {"oversell", "leaked"} <= disbelieved(verdict)


def test_one_row_that_was_for_sale_is_enough_to_believe_the_numbers(fair, judged):
    told = fair(stock=3, buyers=8)
    for row in rows(told)[1:]:
        row["number"] = row["number"].replace("s-", "order-")
    assert "oversell" in failed(judged(told))


def test_no_token_was_seeded(fair, judged):
    told = fair(stock=3, buyers=6).with_sale(stock=6)
    for n in range(4, 7):
        told.seeded(f"s-{n}").token(f"{n}")
    assert "leaked" in disbelieved(judged(told))
    assert "none of 3 tokens is a number that was seeded" in texts(judged(told))
    told.tables["tokens"][0]["number"] = "s-4"
    assert "leaked" in failed(judged(told))


def test_no_row_is_of_an_item_that_was_for_sale(history, judged):
    told = shop(history, 4, 10, "rows.item", items={"cup": 2, "pen": 2})
    for row in rows(told):
        row["item"] = "17"
    assert {"oversell"} == disbelieved(
        unknown(
            judged(told),
            "none of 4 rows is of an item that was for sale: rows have such as 17, and for sale were cup, pen",
        )
    )
    rows(told)[0]["item"] = "cup"
    assert "oversell" in failed(judged(told))


def test_no_buyer_of_a_row_ever_asked(history, judged):
    told = shop(history)
    for row in rows(told):
        row["buyer"] = row["buyer"].removeprefix("u-")
    verdict = unknown(
        judged(told),
        "none of the buyers in 4 rows is one who asked: rows have such as 1, and those who asked are such as u-1",
    )
    assert {"phantom", "wrong_owner"} <= disbelieved(verdict)


def test_other_names_do_not_hide_that_the_rows_of_this_sale_are_too_many(history, judged):
    told = shop(history).row("7099", "u-99", at=1)
    for row in rows(told):
        row["buyer"] = row["buyer"].removeprefix("u-")
    assert {"oversell"} == failed(judged(told))


def test_rows_of_another_sale_are_not_this_shops(history, judged):
    told = shop(history, but=("number",), told=False)
    told.tables["orders"] = []
    for n in range(9):
        told.row(f"{n}", f"other-{n}", at=-90_000)
    assert {"oversell", "lost", "phantom"} <= disbelieved(
        unknown(judged(told), "none of the buyers in 9 rows is one who asked", "of this sale alone")
    )


@pytest.mark.parametrize("at", [-86_400, -61])
@pytest.mark.parametrize("count", [1, 4])
def test_rows_that_an_earlier_sale_has_left(history, judged, at, count):
    told = shop(history)
    for n in range(1, count + 1):
        told.row(f"{6000 + n}", f"u-{n}", at=at)
    verdict = unknown(
        judged(told),
        f"{count} of {4 + count} rows were created over a minute before the sale, the first at T0 {at}",
        "[prepare]",
    )
    assert (4, 0) == (verdict.counts.sold, verdict.counts.oversold)


def test_rows_that_were_left_hide_nothing_of_this_sale(history, judged):
    told = shop(history).row("6001", "u-1", at=-3600).row("7099", "u-9", at=1)
    assert {"oversell", "phantom"} == failed(judged(told))


@pytest.mark.parametrize("at", [-59, 1])
def test_a_minute_before_the_sale_is_not_long(history, judged, at):
    assert {"oversell", "per_buyer", "phantom"} == failed(judged(shop(history).row("6001", "u-1", at=at)))


def test_a_row_that_a_buyer_was_told_of_is_of_this_sale(history, judged):
    told = shop(history)
    rows(told)[0]["created_ns"] -= 3600 * 10**9
    assert () == tuple(text for text in texts(judged(told)).split(" | ") if "over a minute" in text)
    assert 4 == judged(told).counts.sold


def test_numbers_that_are_the_same_in_every_sale(fair, judged):
    told = fair(stock=3, buyers=6).declares_all_but().row("s-1", "b-6", at=-3600)
    verdict = unknown(judged(told), "1 of 4 rows were created")
    assert 3 == verdict.counts.sold


def test_a_run_that_recorded_no_scope_is_judged_as_it_was(fair, judged):
    assert "duplicate" in failed(judged(fair(stock=3, buyers=6).row("s-1", "b-6", at=-3600)))


def test_a_time_that_is_wrong_for_all_rows_hides_nothing(history, judged):
    told = shop(history).row("7099", "u-9")
    for row in rows(told):
        row["created_ns"] = told.sale["t0_ns"] - 100 * 10**9
    assert {"oversell", "phantom"} == failed(judged(told))


def test_one_buyer_who_asked_is_enough_to_believe_the_names(history, judged):
    told = shop(history)
    for row in rows(told)[1:]:
        row["buyer"] = f"x-{row['buyer']}"
    assert {"phantom", "wrong_owner"} <= failed(judged(told))


def test_confirmed_and_not_a_single_row(history, judged):
    told = shop(history, left=0)
    for n in range(1, 5):
        told.asks_status(f"u-{n}", f"{7000 + n}", "confirmed")
    told.tables["orders"] = []
    verdict = unknown(
        judged(told),
        "4 buyers were told that their orders are confirmed, nobody was told otherwise, and there is no row at all",
    )
    assert {"lost", "told_untrue"} <= disbelieved(verdict)


def test_a_shop_that_stores_nothing_and_confirms_nothing_has_lost_everything(history, judged):
    told = shop(history)
    told.tables["orders"] = []
    assert "lost" in failed(judged(told))
    for n in range(1, 5):
        told.asks_status(f"u-{n}", f"{7000 + n}", "pending" if n == 1 else "confirmed")
    assert "lost" in failed(judged(told))


def test_every_order_is_larger_than_a_buyer_may_have(history, judged):
    told = shop(history, 8, 20, "rows.quantity").with_sale(stock=16)
    for row in rows(told):
        row["quantity"] = 2
    unknown(judged(told), "every order is of 2 units or more, and per_buyer allows 1", "set per_buyer")
    rows(told)[0]["quantity"] = 1
    assert "per_buyer" in failed(judged(told))


# Times.


@pytest.mark.parametrize("hours", [8, -8, -5.5, 9.5, 1])
def test_times_that_are_off_by_whole_or_half_hours(history, judged, hours):
    told = shop(history)
    for row in rows(told):
        row["created_ns"] += round(hours * 3600 * 10**9)
    unknown(judged(told), f"about {hours:+g} h, as where a time is stored without its time zone", "AT TIME ZONE")


def test_times_that_are_off_do_not_hide_what_is_wrong(history, judged):
    told = shop(history).row("7099", "u-10", at=1)
    for row in rows(told):
        row["created_ns"] += 8 * 3600 * 10**9
    assert {"oversell", "phantom"} == failed(judged(told))


# What comes before the purchase.


def test_a_step_that_fails_for_everybody(history, judged):
    told = history(4).counted(left=4).answered(401, "unknown", "bad password", kind="before", request="POST /login")
    for n in range(10):
        told.steps(f"u-{n}", "HTTP 401", http=401)
    unknown(
        judged(told),
        "a step before the purchase failed for 10 of 10 buyers: HTTP 401; first body: bad password",
        "[[http.before]]",
    )


def test_a_step_that_fails_for_most(history, judged):
    told = shop(history, 4, 10)
    for n in range(20, 40):
        told.steps(f"u-{n}", "no token in the answer")
    for n in range(1, 11):
        told.steps(f"u-{n}")
    unknown(judged(told), "failed for 20 of 30 buyers: no token in the answer")


def test_steps_that_fail_for_most_hide_nothing(history, judged):
    told = shop(history, 4, 10).row("7001", "u-1")
    for n in range(20, 40):
        told.steps(f"u-{n}", "no token in the answer")
    assert {"oversell", "duplicate"} <= failed(judged(told))


def test_a_few_steps_that_fail_are_only_counted_out(history, judged):
    told = shop(history, 4, 10)
    for n in range(20, 24):
        told.steps(f"u-{n}", "HTTP 503", http=503)
    for n in range(1, 11):
        told.steps(f"u-{n}")
    assert "VALID" == judged(told).verdict, texts(judged(told))


def test_a_warm_up_that_fails_for_everybody(history, judged):
    told = shop(history).answered(404, "unknown", "no such page", kind="page", request="GET /warm")
    for n in range(1, 11):
        told.buys(f"u-{n}", "unknown", kind="page", http=404, at=-1)
    unknown(judged(told), "the warm-up of all 10 buyers failed: 404; first body: no such page", "[http] warm")
    assert "VALID" == judged(told.buys("u-1", "ok", kind="page", at=-0.5)).verdict


# And of all of them.


def test_a_correct_shop_is_suspected_of_nothing(history, fair, judged):
    assert () == tuple(doubt for doubt in judged(shop(history)).doubts if "no samples" not in doubt.text)
    assert "VALID" == judged(fair()).verdict


def test_what_is_not_believed_is_something_that_a_check_goes_by():
    forms = [form for check in CHECKS.values() for form in (check, check.counted) if form]
    relied = {name for form in forms for name in (*form.needs, *form.relies)}
    assert {name for rule in RULES for name in rule.voids} <= relied
    assert relied <= {*FILES, *FORMERLY, "changes", "left", "rows.item", "rows.quantity"}
