"""Where every seeded unit went: seeded → promised → stored, queued, left or leaked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from matplotlib.axes import Axes
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path

from reports.data import RunData
from reports.drawing.canvas import Canvas
from reports.drawing.chart import Chart, Table
from reports.drawing.style import BLUE, GREEN, INK, MUTED, ORANGE, PURPLE, RED, SKY, Hue

# Node → its column, and its hue. Within a column, from the top.
NODES: Mapping[str, tuple[int, Hue]] = {
    "seeded": (0, INK),
    "not seeded": (0, RED),
    "promised": (1, GREEN),
    "taken, not promised": (1, ORANGE),
    "never taken": (1, SKY),
    "stored": (2, BLUE),
    "stored twice": (2, RED),
    "rejected": (2, PURPLE),
    "queued": (2, ORANGE),
    "claimed": (2, ORANGE),
    "left": (2, SKY),
    "lost": (2, RED),
    "leaked": (2, RED),
}
SHOWN = ("seeded", "promised", "stored", "queued", "left", "lost", "leaked")  # even with no units
FLOW = """
    WITH places AS (
        SELECT number, 1 AS seeded, 0 AS promised, 0 AS rows, 0 AS queued, 0 AS claimed, 0 AS rejected,
               0 AS left_over FROM seeded
        UNION ALL SELECT number, 0, 1, 0, 0, 0, 0, 0 FROM asks WHERE outcome = 'won'
        UNION ALL SELECT number, 0, 0, 1, 0, 0, 0, 0 FROM orders
        UNION ALL SELECT number, 0, 0, 0, 1, 0, 0, 0 FROM queue
        UNION ALL SELECT number, 0, 0, 0, 0, 1, 0, 0 FROM claims
        UNION ALL SELECT number, 0, 0, 0, 0, 0, 1, 0 FROM rejected
        UNION ALL SELECT number, 0, 0, 0, 0, 0, 0, 1 FROM tokens
    ), units AS (
        SELECT number, max(seeded) AS seeded, max(promised) AS promised, sum(rows) AS rows,
               max(queued) AS queued, max(claimed) AS claimed, max(rejected) AS rejected,
               max(left_over) AS left_over
        FROM places WHERE number IS NOT NULL GROUP BY number
    ), ways AS (
        SELECT CASE WHEN seeded = 1 THEN 'seeded' ELSE 'not seeded' END AS start,
               CASE WHEN promised = 1 THEN 'promised'
                    WHEN rows + queued + claimed + rejected = 0 AND left_over = 1 THEN 'never taken'
                    ELSE 'taken, not promised' END AS middle,
               CASE WHEN rows > 0 THEN 'stored' WHEN queued = 1 THEN 'queued' WHEN claimed = 1 THEN 'claimed'
                    WHEN rejected = 1 THEN 'rejected' WHEN left_over = 1 THEN 'left'
                    WHEN promised = 1 THEN 'lost' ELSE 'leaked' END AS finish, 1 AS units
        FROM units
        UNION ALL
        SELECT 'not seeded', CASE WHEN promised = 1 THEN 'promised' ELSE 'taken, not promised' END,
               'stored twice', rows - 1
        FROM units WHERE rows > 1
    )
    SELECT start, middle, finish, sum(units)::BIGINT FROM ways GROUP BY ALL ORDER BY ALL"""


TALL = 120.0  # px, for all seeded units together
WIDTH = 9.0
LABEL = 20.0  # px for a line of text


@dataclass(frozen=True)
class Box:
    """A node's place: left edge, top and height, px."""

    x: float
    y: float
    height: float


@dataclass(frozen=True)
class Way:
    """A path through the three columns (seeded, promised, end state), and how many units took it."""

    nodes: tuple[str, str, str]
    units: int


def conservation(run: RunData) -> Chart:
    """The flow of units. Raises `Missing` without the final reads that it is made of."""
    run.need("seeded", "orders", "tokens", "ops")
    if run.counted:
        ways = counted_ways(run.verdict.counts, run.sale("left_units"))
    else:
        ways = [Way((start, middle, finish), units) for start, middle, finish, units in run.rows(FLOW)]
    unread = [why for table, why in run.missing.items() if table in ("queue", "claims", "rejected")]
    judged = {node: round(run.verdict.counts[node]) for node in ("lost", "leaked") if node in run.verdict.counts}
    caption = _caption(ways, unread, judged)
    table = Table(("from", "by", "to", "units"), [(*way.nodes, way.units) for way in ways])
    return Chart("Where every unit went", caption, f"Flow of units. {caption}", table, partial(_draw, ways, judged))


def counted_ways(counts: Mapping[str, float], left: int | None) -> list[Way]:
    """The ways of units without numbers, by the verdict's counts. What is neither stored nor `left` was lost as far as it was promised."""
    stock, promised, sold, oversold, lost = (
        round(counts.get(name, 0)) for name in ("stock", "promised", "sold", "oversold", "lost")
    )
    stored = min(sold - oversold, stock)
    kept = min(max(promised - lost, 0), stored)
    unsold = min(max(left or 0, 0), stock - stored) if left is not None else max(stock - stored - lost, 0)
    gone = stock - stored - unsold
    ways = (
        Way(("seeded", "promised", "stored"), kept),
        Way(("seeded", "taken, not promised", "stored"), stored - kept),
        Way(("not seeded", "taken, not promised", "stored"), oversold),
        Way(("seeded", "never taken", "left"), unsold),
        Way(("seeded", "promised", "lost"), min(lost, gone)),
        Way(("seeded", "taken, not promised", "leaked"), gone - min(lost, gone)),
    )
    return [way for way in ways if way.units > 0]


def totals(ways: Sequence[Way]) -> dict[str, int]:
    """Units that passed each node."""
    found = dict.fromkeys(NODES, 0)
    for way in ways:
        for node in way.nodes:
            found[node] += way.units
    return found


def _caption(ways: Sequence[Way], unread: Sequence[str], judged: Mapping[str, int]) -> str:
    """What became of the units. How many were lost and leaked is the verdict's to say (`judged`)."""
    found = {**totals([way for way in ways if way.nodes[0] == "seeded"]), **judged}
    last = [node for node, (column, _) in NODES.items() if column == 2 and (found[node] or node in SHOWN)]
    text = f"Of {found['seeded']:,} seeded units: {', '.join(f'{found[node]:,} {node}' for node in last)}."
    nowhere = totals(ways)["not seeded"]
    if nowhere:
        text += f" {nowhere:,} more came from nowhere (red)."
    return text + (f" Lost and leaked are unsure: {'; '.join(unread)}." if unread else "")


def _draw(ways: Sequence[Way], judged: Mapping[str, int], canvas: Canvas) -> None:
    found = totals(ways)
    xs = (-54.0, 330.0, 724.0) if canvas.wide else (-40.0, 75.0, 205.0)
    boxes, height = _boxes(found, xs)
    (axes,) = canvas.plain(height, top=4, bottom=2)
    axes.set_axis_off()
    axes.set_xlim(0, axes.bbox.width)
    axes.set_ylim(height, 0)
    order = list(NODES)
    used: dict[tuple[str, str], float] = {}
    for way in sorted(ways, key=lambda each: [order.index(node) for node in each.nodes]):
        thick = way.units * TALL / max(found["seeded"], 1)
        for start, finish in zip(way.nodes, way.nodes[1:], strict=False):
            ends = []
            for node, side in ((start, "out"), (finish, "in")):
                ends.append(
                    (
                        boxes[node].x + (WIDTH if side == "out" else 0),
                        boxes[node].y + used.get((node, side), 0),
                    )
                )
                used[node, side] = used.get((node, side), 0) + thick
            axes.add_patch(_ribbon(ends[0], ends[1], thick, RED if way.nodes[0] == "not seeded" else NODES[finish][1]))
    for node, box in boxes.items():
        _node(axes, node, judged.get(node, found[node]), box)


def _boxes(found: Mapping[str, int], xs: Sequence[float]) -> tuple[dict[str, Box], float]:
    """A box for each node that is shown, as high as its share of units, and the height of the whole figure."""
    boxes, deepest = {}, 0.0
    for column, x in enumerate(xs):
        y = LABEL
        for node, (place, _) in NODES.items():
            if place != column or not (found[node] or node in SHOWN):
                continue
            height = found[node] * TALL / max(found["seeded"], 1)
            boxes[node] = Box(x, y, height)
            y += max(height, LABEL - 4) + (4 if column == 2 else LABEL)
        deepest = max(deepest, y)
    return boxes, deepest


def _ribbon(start: tuple[float, float], finish: tuple[float, float], thick: float, hue: Hue) -> PathPatch:
    (x0, y0), (x1, y1) = start, finish
    middle = (x0 + x1) / 2
    thick = max(thick, 1.5)
    corners = [
        (x0, y0), (middle, y0), (middle, y1), (x1, y1),
        (x1, y1 + thick), (middle, y1 + thick), (middle, y0 + thick), (x0, y0 + thick), (x0, y0),
    ]  # fmt: skip
    codes = [Path.MOVETO, *[Path.CURVE4] * 3, Path.LINETO, *[Path.CURVE4] * 3, Path.CLOSEPOLY]
    return PathPatch(Path(corners, codes), facecolor=hue.mark, alpha=0.38, linewidth=0, clip_on=False)


def _node(axes: Axes, node: str, units: int, box: Box) -> None:
    """A bar and its label: beside it in the last column, above it in the others."""
    column, hue = NODES[node]
    hue = hue if units else MUTED
    axes.add_patch(
        Rectangle((box.x, box.y), WIDTH, max(box.height, 1.5), facecolor=hue.mark, linewidth=0, clip_on=False)
    )
    last = column == 2
    place = (box.x + WIDTH + 7, box.y + max(box.height / 2, 1)) if last else (box.x, box.y - 5)
    axes.text(*place, f"{units:,} {node}", color=hue.text, va="center" if last else "baseline", clip_on=False)
