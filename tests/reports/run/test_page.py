"""The page in a real browser: nothing in the console, nothing wider than the window, legible in the dark."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ReportOf = Callable[[str], Path]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 720, 400, 320])
def test_fits_the_window_and_is_quiet(report_of: ReportOf, open_page: Any, width: int, scheme: str) -> None:
    page, said = open_page(report_of("hostile"), width, scheme)
    assert said == []
    assert page.evaluate("document.documentElement.scrollWidth") == width
    shown = page.evaluate(
        "[...document.querySelectorAll('figure svg[role=img]')].filter(s => s.getClientRects().length).map(s => s.classList[0])"
    )
    assert set(shown) == {"wide" if width >= 720 else "narrow"}


@pytest.mark.parametrize("width", [1400, 400])
@pytest.mark.parametrize("sale", ["valid", "leaky"])
def test_no_text_of_a_figure_is_cut_off_or_tiny(report_of: ReportOf, open_page: Any, sale: str, width: int) -> None:
    page, _ = open_page(report_of(sale), width, "light")
    texts = page.evaluate(
        """[...document.querySelectorAll('figure svg[role=img] text')].map(t => {
             const r = t.getBoundingClientRect(), s = t.ownerSVGElement.getBoundingClientRect();
             return [t.textContent, Math.max(s.left - r.left, r.right - s.right, s.top - r.top, r.bottom - s.bottom),
                     parseFloat(getComputedStyle(t).fontSize) * t.getScreenCTM().a, r.width]}).filter(x => x[3])"""
    )
    assert len(texts) > 40
    assert [text for text, outside, _, _ in texts if outside > 1] == []
    assert [text for text, _, size, _ in texts if size < 10.5] == []


def test_dark_is_dark_and_figures_follow(report_of: ReportOf, open_page: Any) -> None:
    report = report_of("valid")
    colours = {}
    for scheme in ("light", "dark"):
        page, _ = open_page(report, 1400, scheme)
        colours[scheme] = page.evaluate(
            "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.querySelector('svg.wide text')).fill]"
        )
    assert colours["light"][0] == "rgb(254, 254, 252)"
    assert colours["dark"][0] == "rgb(20, 22, 25)"
    assert colours["light"][1] != colours["dark"][1]


def test_paper_is_white_even_in_the_dark(report_of: ReportOf, open_page: Any) -> None:
    page, _ = open_page(report_of("valid"), 800, "dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(254, 254, 252)"
