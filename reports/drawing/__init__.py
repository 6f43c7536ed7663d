"""Drawing: from the tables of a run to charts in SVG, with their data as a table and CSV.

Here live the time axis, the queries behind the charts, the canvas, the colours, and the SVG that a page holds. Which figures a page
shows, and their captions, belong in `run` and `comparison`. It imports `data` and `verdict` only.
Read first: `drawing.draw`, then `chart.Chart`.
"""

import os

# Charts look alike wherever they are drawn: a backend that somebody has chosen for windows of their own must not stop Matplotlib's import.
os.environ["MPLBACKEND"] = "svg"
