"""Reports: pages, figures and machine-readable summaries, made from run directories alone.

Here live `run` (the report of one run), `comparison` (several runs side by side) and what both share. Nothing here judges a run or
imports the harness: verdicts are read as they were written. A part imports only those after it:
comparison → run → html → drawing → data → verdict → files.
Read first: `run.build.build`, then `data.open_run`.
"""
