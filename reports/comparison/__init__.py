"""The comparison of several runs: comparison.html, for the cells of a matrix or for runs given one by one.

Here live the cells, the tables of verdicts, the small multiples, the differences in figures and the frontier. Nothing here judges a run;
of the harness it knows only the files: run directories, matrix.json and predictions.json. No other part of the reports imports it.
Read first: `compare.compare_matrix`, then `cells.read_matrix`.
"""
