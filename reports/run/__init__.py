"""The report of one run: report.html with its figures, junit.xml and summary.md.

Here lives what only a single run's report shows. What compares runs belongs in `comparison`, how a chart is drawn in `drawing`, how a run
directory is read in `data`; nothing here judges.
Read first: `build.build`.
"""
