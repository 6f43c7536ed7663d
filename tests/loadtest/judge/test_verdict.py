"""The verdict: what outweighs what, what makes it unknown, and what is written."""

import json

import pytest

from loadtest.errors import UsageError
from loadtest.judge import verdict as module
from loadtest.judge.checks import CHECKS, Check
from loadtest.judge.verdict import conclude, judge, read_verdict

FINAL = ("seeded", "orders", "tokens", "claims", "rejected", "queue")


def invalid(verdict):
    return {check.name for check in verdict.checks if check.verdict == "INVALID"}


def texts(verdict):
    return " | ".join(doubt.text for doubt in verdict.doubts)


def test_a_correct_sale_is_valid(fair, judged):
    verdict = judged(fair(stock=3, buyers=6).sample("redis", "tokens", 0, 0))
    assert ("VALID", 0, ()) == (verdict.verdict, verdict.exit_code, verdict.doubts)
    assert "3 seeded · 3 sold · 0 oversold · 0 lost · 0 duplicated · 0 leaked" == verdict.sentence
    assert set(CHECKS) == {check.name for check in verdict.checks if check.verdict == "VALID"}


def test_invalid_outweighs_unknown(fair, judged):
    verdict = judged(fair().row("t-1", "b-9").without("tokens"))
    assert ("INVALID", 1) == (verdict.verdict, verdict.exit_code)
    assert {"oversell", "phantom"} == invalid(verdict)
    assert verdict.sentence.endswith("; invalid: oversell, phantom")
    assert "tokens missing" in texts(verdict)


@pytest.mark.parametrize("read", FINAL)
def test_a_missing_final_read_is_unknown(fair, judged, read):
    verdict = judged(fair().without(read))
    assert ("UNKNOWN", 3) == (verdict.verdict, verdict.exit_code)
    assert verdict.doubts[0].text == f"{read} missing: final/{read}.parquet is not there"
    assert "and run again" in verdict.doubts[0].remedy


def test_a_count_that_was_not_read_is_not_zero(fair, judged):
    verdict = judged(fair().without("orders"))
    assert (None, None, None) == (verdict.counts.sold, verdict.counts.oversold, verdict.counts.lost)
    assert verdict.sentence.startswith("3 seeded · ? sold · ? oversold · ? lost")


def test_an_empty_directory_is_unknown_not_a_crash(tmp_path):
    verdict = judge(tmp_path)
    assert ("UNKNOWN", 3) == (verdict.verdict, verdict.exit_code)
    assert {"ops", "sale", *FINAL} <= {doubt.text.split()[0] for doubt in verdict.doubts}


@pytest.mark.parametrize("file", ["final/tokens.parquet", "sale.parquet"])
def test_a_read_that_is_no_parquet_file_is_unknown(fair, tmp_path, file):
    run_dir = fair().write(tmp_path)
    (run_dir / file).write_bytes(b"PAR1 cut off")
    assert judge(run_dir).verdict == "UNKNOWN"


def test_a_read_of_another_shape_is_unknown(fair, tmp_path):
    run_dir = fair().write(tmp_path)
    (run_dir / "final" / "tokens.parquet").write_bytes((run_dir / "sale.parquet").read_bytes())
    verdict = judge(run_dir)
    assert ("UNKNOWN", True) == (
        verdict.verdict,
        "tokens missing: final/tokens.parquet does not read" in texts(verdict),
    )


def test_a_history_that_does_not_parse_is_unknown_even_beside_an_older_join(fair, tmp_path):
    run_dir = fair().write(tmp_path)
    assert judge(run_dir).verdict == "VALID"
    shard = run_dir / "history" / "g1.jsonl"
    shard.write_text("garbage\n" + shard.read_text(encoding="utf-8"), encoding="utf-8")
    verdict = judge(run_dir)
    assert ("UNKNOWN", None) == (verdict.verdict, verdict.counts.promised)
    assert "history does not parse: g1.jsonl line 1: not JSON" in texts(verdict)


def test_samples_that_do_not_parse_are_told_and_a_check_that_needs_none_still_stands(fair, tmp_path):
    run_dir = fair().write(tmp_path)
    (run_dir / "samples" / "sampler.jsonl").write_text("garbage\n", encoding="utf-8")
    verdict = judge(run_dir)
    assert ("VALID", True) == (verdict.verdict, "there are no samples" in texts(verdict))


def test_a_killed_generator_is_told(fair, tmp_path):
    run_dir = fair().write(tmp_path)
    shard = run_dir / "history" / "g1.jsonl"
    shard.write_bytes(shard.read_bytes() + b'{"op":99,"b"' + b"\0" * 1000)
    verdict = judge(run_dir)
    assert ("VALID", True) == (
        verdict.verdict,
        "g1.jsonl was not closed by its generator: 1,000 NUL bytes and a torn" in texts(verdict),
    )


def test_a_crashed_check_is_unknown(fair, judged, monkeypatch):
    monkeypatch.setitem(
        CHECKS, "oversell", Check("oversell", "no", ("orders",), "SELECT nonsense AS text FROM orders", "SELECT '', ''")
    )
    verdict = judged(fair())
    assert ("UNKNOWN", True) == (verdict.verdict, "check oversell crashed" in texts(verdict))


def test_counts_that_do_not_balance_though_every_check_passed_accuse_the_checks(fair, judged, monkeypatch):
    told = fair().buys("b-9", won="s-9")
    assert "do not balance" not in texts(judged(told))
    monkeypatch.setitem(CHECKS, "lost", Check("lost", "blind", (), "SELECT '' AS text WHERE false", "SELECT '', ''"))
    verdict = judged(told)
    assert ("UNKNOWN", True) == (verdict.verdict, "4 standing promises, 3 rows, 0 unanswered" in texts(verdict))


def test_a_crashed_figure_is_unknown_and_the_others_stand(fair, judged, monkeypatch):
    monkeypatch.setattr("loadtest.judge.figures.measure.measure_fairness", lambda _: 1 / 0)
    verdict = judged(fair())
    assert ("UNKNOWN", 3) == (verdict.verdict, verdict.counts.sold)
    assert "fairness could not be computed: division by zero" in texts(verdict)


def test_the_sentence_tells_of_unanswered_orders(history, judged):
    told = history(stock=1).buys("b-1", "unknown").row("s-1", "b-1").buys("b-2").buys("b-3")
    assert "; 1 unknown reply, all resolved" in judged(told).sentence
    assert "; 2 unknown replies, 1 unresolved" in judged(told.buys("b-4", "unknown")).sentence


def test_zero_successes_never_pass(history, judged):
    verdict = judged(history(stock=0).buys("b-1").buys("b-2"))
    assert ("UNKNOWN", True) == (verdict.verdict, "nobody won" in texts(verdict))


def test_counts(history, judged):
    told = history(stock=4, near_misses=5).sells("b-1", "s-1").row("s-1", "b-1", at=2).buys("b-2", won="s-2")
    told.buys("b-3", won="s-2").row("t-9", "b-9").token("s-3")
    counts = judged(told.buys("b-4", "unknown")).counts
    assert {
        "stock": 4, "promised": 3, "sold": 3, "oversold": 1, "double_promised": 1, "duplicated": 1, "lost": 2, "leaked": 2,
        "misplaced": 0, "phantom": 1, "unresolved": 1, "near_misses": 5,
    } == vars(counts)  # fmt: skip


def test_what_is_written_is_read_back(fair, tmp_path):
    verdict = conclude(fair().row("t-1", "b-9").holds("sold > 3").write(tmp_path))
    assert verdict == read_verdict(tmp_path)
    assert {
        "schema_version", "verdict", "exit_code", "sentence", "counts", "checks", "thresholds", "drain_s", "rate", "shaving", "load",
        "latency_ms", "fairness", "doubts", "mutants", "certified", "name", "run_dir", "scope", "answers",
    } == set(json.loads((tmp_path / "verdict.json").read_text(encoding="utf-8")))  # fmt: skip


def test_judging_twice_says_the_same(fair, tmp_path):
    run_dir = fair().row("t-1", "b-9").write(tmp_path)
    assert judge(run_dir) == judge(run_dir)


def test_a_write_that_fails_leaves_the_old_verdict(fair, tmp_path, monkeypatch):
    verdict = conclude(fair().write(tmp_path))
    monkeypatch.setattr(module.json, "dumps", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        conclude(tmp_path)
    monkeypatch.undo()
    assert verdict == read_verdict(tmp_path)
    assert [] == list(tmp_path.glob(".verdict*"))


def test_a_run_without_a_verdict_is_incomplete(tmp_path):
    with pytest.raises(UsageError, match="the run is incomplete"):
        read_verdict(tmp_path)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"schema_version": 1}', '{"schema_version": 99}'])
def test_a_verdict_that_does_not_read_says_what_to_do(tmp_path, text):
    (tmp_path / "verdict.json").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match="judge it anew"):
        read_verdict(tmp_path)


def test_a_shard_that_is_newer_than_the_join_is_joined_again(fair, tmp_path):
    run_dir = fair().write(tmp_path)
    assert judge(run_dir).counts.promised == 3
    shard = run_dir / "history" / "g1.jsonl"
    shard.write_text(shard.read_text(encoding="utf-8").replace('"won"', '"unknown"'), encoding="utf-8")
    assert judge(run_dir).counts.promised == 0


def test_an_old_run_is_judged_from_its_join_alone(fair, tmp_path):
    run_dir = fair().write(tmp_path)
    judge(run_dir)
    (run_dir / "history" / "g1.jsonl").unlink()
    assert judge(run_dir).verdict == "VALID"
