"""Is the tester the bottleneck? How late requests were sent, and how busy the generator was."""

from collections.abc import Mapping
from functools import partial

import numpy as np
from matplotlib.axes import Axes

from reports.data import RunData
from reports.drawing import metrics, series
from reports.drawing.canvas import Canvas
from reports.drawing.chart import Chart, columns
from reports.drawing.metrics import Lag
from reports.drawing.series import Series
from reports.drawing.style import BLUE, INK, PURPLE, RED, SKY
from reports.drawing.timeline import timeline

ON_TIME_MS = 20  # the same bound as in the verdict's `on_time`
FULL = 100  # % of one core, which is all that a gevent process can use


def tester(run: RunData) -> Chart:
    """Schedule lag and the generator's CPU. Raises `Missing` without the history."""
    time = timeline(run)
    lag = metrics.lag(run, time)
    cpu = series.rate(run, time, "processes", "generator.cpu_s")
    percent = cpu.times(100)
    caption = _caption(lag, run.verdict.load, percent)
    table = columns(time_s=lag.time_s, lag_p50_ms=lag.p50_ms, lag_p99_ms=lag.p99_ms, lag_max_ms=lag.max_ms)
    alt = f"Lateness of requests and the generator's CPU over time. {caption}"
    return Chart("Was the tester the bottleneck?", caption, alt, table, partial(_draw, lag, percent), time)


def _caption(lag: Lag, load: Mapping[str, float], cpu: Series) -> str:
    if not len(lag.time_s):
        return "No request was sent."
    cores = load.get("generator_cpu")
    if "on_time" in load:
        late = f"{load['on_time'] * 100:,.1f} % of the planned orders were sent within {ON_TIME_MS} ms of their time"
        late += f", and {load.get('dropped', 0):,.0f} were dropped because no connection was free; "
    elif "fire_spread_ms" in load:
        late = f"From the first to the last buyer the herd took {load['fire_spread_ms']:,.0f} ms to fire; "
    else:
        late = ""
    late += f"{'no' if late else 'No'} request was sent more than {np.max(lag.max_ms):,.0f} ms after it was due."
    if cores is not None:
        return (
            f"{late} In its busiest second the generator used {cores * 100:,.0f} % of a core; 100 % is all it can use."
        )
    if not cpu:
        return f"{late} The generator's CPU was not sampled."
    return (
        f"{late} Between two samples the generator used at most {cpu.peak:,.0f} % of a core; 100 % is all it can use."
    )


def _draw(lag: Lag, cpu: Series, canvas: Canvas) -> None:
    above, below = canvas.panels(120, 100)
    canvas.unit(above, "schedule lag, ms, log scale")
    _draw_lag(lag, canvas, above)
    canvas.unit(below, "generator CPU, % of one core")
    if cpu:
        below.fill_between(cpu.time_s, cpu.value, step="mid", color=SKY.mark, alpha=0.4, linewidth=0)
        canvas.line(below, cpu.time_s, cpu.value, BLUE, drawstyle="steps-mid")
        canvas.name(below, cpu.peak, f"generator, max {cpu.peak:,.0f} %", BLUE)
    below.axhline(FULL, color=RED.mark, linewidth=1, linestyle=(0, (5, 2)))
    canvas.name(below, FULL, "one core", RED)
    below.set_ylim(0, max(FULL * 1.15, cpu.peak * 1.1 if cpu else 0))


def _draw_lag(lag: Lag, canvas: Canvas, axes: Axes) -> None:
    if not len(lag.time_s):
        return
    floor = 0.1
    p50, worst = np.maximum(lag.p50_ms, floor), np.maximum(lag.max_ms, floor)
    axes.vlines(lag.time_s, p50, worst, color=PURPLE.mark, linewidth=1.5)
    axes.plot(lag.time_s, worst, "_", color=PURPLE.mark, markersize=6, markeredgewidth=1.4)
    axes.plot(lag.time_s, p50, "o", color=INK.mark, markersize=3)
    canvas.name(axes, float(np.max(worst)), "worst", PURPLE)
    canvas.name(axes, float(np.median(p50)), "median", INK)
    canvas.log_y(axes, floor * 0.7, max(float(np.max(worst)) * 1.6, 10))
