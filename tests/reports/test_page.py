"""The page in a real browser: nothing in the console, nothing wider than the window, legible in the dark."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reports.build import build

MakeRun = Callable[..., Path]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium. Without one the tests are skipped here, and fail where CI is set."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        path = None
    if path is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("needs playwright and a chromium on PATH")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser: Any) -> Iterator[Callable[..., tuple[Any, list[str]]]]:
    """Opens a report at a width and in a colour scheme; gives the page and what its console said."""
    contexts = []

    def open_(report: Path, width: int, scheme: str) -> tuple[Any, list[str]]:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        page, said = context.new_page(), []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on(
            "request", lambda request: None if request.url.startswith(("file:", "data:")) else said.append(request.url)
        )
        page.goto(report.as_uri())
        return page, said

    yield open_
    for context in contexts:
        context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 720, 400, 320])
def test_fits_the_window_and_is_quiet(make_run: MakeRun, open_page: Any, width: int, scheme: str) -> None:
    page, said = open_page(build(make_run("hostile")), width, scheme)
    assert said == []
    assert page.evaluate("document.documentElement.scrollWidth") == width
    shown = page.evaluate(
        "[...document.querySelectorAll('figure svg[role=img]')].filter(s => s.getClientRects().length).map(s => s.classList[0])"
    )
    assert set(shown) == {"wide" if width >= 720 else "narrow"}


@pytest.mark.parametrize("width", [1400, 400])
@pytest.mark.parametrize("sale", ["valid", "leaky"])
def test_no_text_of_a_figure_is_cut_off_or_tiny(make_run: MakeRun, open_page: Any, sale: str, width: int) -> None:
    page, _ = open_page(build(make_run(sale)), width, "light")
    texts = page.evaluate(
        """[...document.querySelectorAll('figure svg[role=img] text')].map(t => {
             const r = t.getBoundingClientRect(), s = t.ownerSVGElement.getBoundingClientRect();
             return [t.textContent, Math.max(s.left - r.left, r.right - s.right, s.top - r.top, r.bottom - s.bottom),
                     parseFloat(getComputedStyle(t).fontSize) * t.getScreenCTM().a, r.width]}).filter(x => x[3])"""
    )
    assert len(texts) > 40
    assert [text for text, outside, _, _ in texts if outside > 1] == []
    assert [text for text, _, size, _ in texts if size < 10.5] == []


def test_dark_is_dark_and_figures_follow(make_run: MakeRun, open_page: Any) -> None:
    report = build(make_run("valid"))
    colours = {}
    for scheme in ("light", "dark"):
        page, _ = open_page(report, 1400, scheme)
        colours[scheme] = page.evaluate(
            "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.querySelector('svg.wide text')).fill]"
        )
    assert colours["light"][0] == "rgb(254, 254, 252)"
    assert colours["dark"][0] == "rgb(20, 22, 25)"
    assert colours["light"][1] != colours["dark"][1]


def test_paper_is_white_even_in_the_dark(make_run: MakeRun, open_page: Any) -> None:
    page, _ = open_page(build(make_run("valid")), 800, "dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(254, 254, 252)"
