"""Adapts matplotlib's SVG to its place: inside the page, or as a file of its own."""

import re
from html import escape

from reports.drawing.style import COLOURS
from reports.verdict import CONTROL

FONT = re.compile(r"font-family: [^;\"]*")
LONG_NUMBER = re.compile(r"(\d\.\d\d)\d+")
PREAMBLE = re.compile(r"^.*?(?=<svg)|<metadata>.*?</metadata>|<style type=\"text/css\">.*?</style>", re.DOTALL)
ID = re.compile(r' id="([^"]*)"')
REFERENCE = re.compile(r'(href="#|url\(#)([^")]*)')
ROOT = re.compile(r"<svg [^>]*?viewBox=\"([^\"]*)\"[^>]*>")
PAPER = next(colour.light for colour in COLOURS if colour.name == "paper")
HALO = f"*{{stroke-linejoin:round}} text{{paint-order:stroke;stroke:{PAPER};stroke-width:3px}}"


def inline(svg: str, prefix: str, label: str) -> str:
    """`svg` for the page: colours as CSS variables, ids that start with `prefix`, and `label` for screen readers."""
    svg = _lean(svg)
    used = {match.group(2) for match in REFERENCE.finditer(svg)}
    svg = ID.sub(lambda match: f' id="{prefix}-{match.group(1)}"' if match.group(1) in used else "", svg)
    svg = REFERENCE.sub(rf"\1{prefix}-\2", svg)
    for colour in COLOURS:
        svg = svg.replace(colour.mark, f"var(--{colour.name})")
    root = f'<svg class="{prefix.rsplit("-", 1)[-1]}" viewBox="\\1" role="img" aria-label="{_attribute(label)}">'
    return ROOT.sub(root, svg, count=1)


def standalone(svg: str, label: str) -> str:
    """`svg` as a file: light colours, a paper ground, and its label as title."""
    svg = _lean(svg)
    for colour in COLOURS:
        svg = svg.replace(colour.mark, colour.light)
    root = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        rf'viewBox="\1" role="img" font-family="sans-serif"><title>{_attribute(label)}</title>'
        f'<style>{HALO}</style><rect width="100%" height="100%" fill="{PAPER}"/>'
    )
    return ROOT.sub(root, svg, count=1)


def _lean(svg: str) -> str:
    """`svg` without preamble, the drawing machine's font names, control characters and decimals too small to see."""
    svg = CONTROL.sub("", PREAMBLE.sub("", svg))
    return LONG_NUMBER.sub(r"\1", FONT.sub("font-family: inherit", svg))


def _attribute(text: str) -> str:
    # The text is used as a replacement in `ROOT.sub`, which interprets backslashes.
    return escape(CONTROL.sub("", text)).replace("\\", r"\\")
