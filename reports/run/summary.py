"""summary.md: the verdict in Markdown, to paste into a pull request. It reads the verdict, and judges nothing."""

import html
import re
from collections.abc import Iterator, Mapping

from reports.verdict import NOT_JUDGED, Verdict, number_text

ICONS = {"VALID": "✅", "INVALID": "❌", "UNKNOWN": "❔", "INCOMPLETE": "⬜"}
QUIET = ("VALID", NOT_JUDGED)
SPECIAL = re.compile(r"([\\`*_\[\]|#~])")
COUNTS = {
    "stock": "stock",
    "promised": "promised",
    "sold": "sold",
    "oversold": "oversold",
    "double_promised": "promised twice",
    "duplicated": "duplicated",
    "lost": "lost",
    "leaked": "leaked",
    "misplaced": "in two places",
    "phantom": "phantom",
    "unresolved": "unresolved",
    "near_misses": "near misses",
}
RATES = {"configured_per_s": "configured", "steady_per_s": "steady", "max_1s": "fullest second"}


def summary(verdict: Verdict) -> str:
    """`verdict` as GitHub-flavoured Markdown."""
    parts = [
        f"## {ICONS[verdict.state]} {verdict.state}{f' · {_safe(verdict.name)}' if verdict.name else ''}",
        _safe(verdict.sentence),
        "\n".join(_counts(verdict)),
        _rates(verdict),
        "\n".join(_failing(verdict)),
        "\n".join(_lacks(verdict)),
        "\n".join(_doubts(verdict)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _counts(verdict: Verdict) -> Iterator[str]:
    found = {text: verdict.counts[key] for key, text in COUNTS.items() if key in verdict.counts}
    if found:
        yield f"| {' | '.join(found)} |"
        yield "|" + " ---: |" * len(found)
        yield f"| {' | '.join(number_text(value) for value in found.values())} |"


def _rates(verdict: Verdict) -> str:
    rates = [f"{text} {number_text(verdict.rate[key])}/s" for key, text in RATES.items() if key in verdict.rate]
    parts = [f"Database: {', '.join(rates)}."] if rates else []
    requests, commits = (verdict.shaving.get(f"{what}_max_per_s") for what in ("requests", "commits"))
    if requests is not None and commits is not None:
        parts.append(
            f"In their busiest seconds, {number_text(requests)} requests became {number_text(commits)} commits{_shaved(verdict)}."
        )
    if "offered_per_s" in verdict.load:
        parts.append(f"Load offered: {number_text(verdict.load['offered_per_s'])} requests/s{_kept(verdict.load)}.")
    if verdict.drain_s is not None:
        parts.append(f"Drained {number_text(verdict.drain_s)} s after T0.")
    return " ".join(parts)


def _shaved(verdict: Verdict) -> str:
    factor = verdict.shaving.get("factor")
    return "" if factor is None else f": shaved to 1 in {number_text(factor)}"


def _kept(load: Mapping[str, float]) -> str:
    """How the generator kept to a plan of open arrivals."""
    if "on_time" not in load:
        return ""
    return f", {number_text(load['on_time'] * 100)} % of them on time, {number_text(load.get('dropped', 0))} dropped"


def _failing(verdict: Verdict) -> Iterator[str]:
    for check in verdict.checks:
        if check.verdict not in QUIET:
            yield (
                f"- **{check.verdict} {_safe(check.name)}** – {_safe(check.sentence)}: "
                f"observed {_safe(check.observed)}, bound {_safe(check.bound)}"
                f"{f'; not believed, as {_safe(check.not_believed)}' if check.not_believed else ''}"
            )
            yield from (f"  - {_safe(witness)}" for witness in check.witnesses[:3])
            if len(check.witnesses) > 3:
                yield f"  - and {len(check.witnesses) - 3} more"
    for threshold in verdict.thresholds:
        if threshold.passed is not True:
            word = "breached" if threshold.passed is False else "not measured"
            observed = _safe(threshold.observed)
            yield f"- **Threshold {word}** – {_safe(threshold.expression)}: observed {observed}"


def _lacks(verdict: Verdict) -> Iterator[str]:
    if verdict.lacks:
        yield "Not judged:"
        yield ""
    for lack in verdict.lacks:
        yield f"- {_safe(lack.text)}: {_safe(', '.join(lack.checks))}. {_safe(lack.add)}"


def _doubts(verdict: Verdict) -> Iterator[str]:
    if verdict.doubts:
        yield "Doubts:"
        yield ""
    for doubt in verdict.doubts:
        yield f"- {_safe(doubt.text)} {_safe(doubt.remedy)}".rstrip()


def _safe(text: str) -> str:
    """Text from outside as one line, escaped so that Markdown and HTML show it as it is."""
    return SPECIAL.sub(r"\\\1", html.escape(" ".join(text.split()), quote=False))
