"""The comparison in a real browser: nothing in the console, nothing wider than the window, the matrix on the first screen."""

from pathlib import Path
from typing import Any

import pytest

from reports.comparison.compare import compare_matrix
from tests.reports.conftest import write_matrix

RATES = [25, 50, 100, 200]
SCHEMES = ["conditional_update", "tokens_reconciled", "x" * 60]


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with a square of every kind, texts from outside, and more columns than a telephone is wide."""
    cells = [
        {"at": (SCHEMES[0], 25), "sale": "oversold", "expected": "invalid:oversell", "met": True},
        {"at": (SCHEMES[0], 50), "sale": "hostile", "met": False},
        {"at": (SCHEMES[0], 100), "sale": "incomplete", "met": None},
        {"at": (SCHEMES[0], 200), "skipped": "x" * 200},
        {"at": (SCHEMES[1], 25), "sale": "valid", "met": True},
        {"at": (SCHEMES[1], 50), "met": False, "error": "no such/" * 40},
        {"at": (SCHEMES[1], 100), "sale": "unknown", "met": False},
    ]
    matrix = tmp_path_factory.mktemp("comparison") / "matrix"
    return compare_matrix(write_matrix(matrix, {"scheme": SCHEMES, "limiter.rate_per_s": RATES}, *cells, repeat=2))


def test_fits_every_window_and_is_quiet(comparison: Path, open_page: Any) -> None:
    for width in (1400, 720, 400, 320):
        for scheme in ("light", "dark"):
            page, said = open_page(comparison, width, scheme)
            assert said == []
            assert page.evaluate("document.documentElement.scrollWidth") == width
            wider = "[...document.querySelectorAll('.matrix, .strip, .panels > div')].filter(e => e.scrollWidth > e.clientWidth + 1).length"
            assert page.evaluate(wider) == 0


@pytest.mark.parametrize("width", [1400, 720, 400])
def test_the_matrix_begins_on_the_first_screen_and_no_text_is_tiny(
    comparison: Path, open_page: Any, width: int
) -> None:
    page, _ = open_page(comparison, width, "light")
    assert page.evaluate("document.querySelector('.grid td').getBoundingClientRect().bottom") < 900
    sizes = page.evaluate(
        """[...document.querySelectorAll('figure svg[role=img] text')].map(t => [t.textContent,
             parseFloat(getComputedStyle(t).fontSize) * t.getScreenCTM().a])"""
    )
    assert len(sizes) > 40
    assert [text for text, size in sizes if size < 10.5] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_square_is_legible(comparison: Path, open_page: Any, scheme: str) -> None:
    page, _ = open_page(comparison, 1400, scheme)
    contrasts = page.evaluate(
        """(() => {
             const parse = c => c.match(/[\\d.]+/g).map(Number);
             const light = c => { const [r, g, b] = parse(c).slice(0, 3).map(v => { v /= 255;
               return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126*r + 0.7152*g + 0.0722*b; };
             const ground = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
               if ((parse(c)[3] ?? 1) > 0) return c; } return 'rgb(255, 255, 255)'; };
             return [...document.querySelectorAll('.grid td *, .trial, .trial *')].map(e => {
               const [a, b] = [light(getComputedStyle(e).color), light(ground(e))];
               return [e.textContent, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)]; });
           })()"""
    )
    assert len(contrasts) > 20
    assert [text for text, contrast in contrasts if contrast < 4.5] == []
