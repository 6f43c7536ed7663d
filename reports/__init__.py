"""Reports: pages, figures and machine-readable summaries, made from a run directory alone."""
