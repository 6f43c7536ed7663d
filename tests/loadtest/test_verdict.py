"""The verdict: what outweighs what, what is unknown, and what it says."""


def test_a_correct_sale_is_valid(fair, judged):
    verdict = judged(fair())
    assert ("VALID", 0, ()) == (verdict.verdict, verdict.exit_code, tuple(d for d in verdict.doubts if "samples" not in d.text)), verdict
