"""One sale: from a checked experiment to a run directory with a verdict.

Here live the steps of a sale, the checks on batches and brokers, the live change of the limit, the number of load generators, the progress
display, and the folder over which Locust's web page asks for sales. Buyers and Locust do not belong here (`load`), nor does running
several sales (`campaign`). It imports `probes` and what is below.
Read first: `run.run`, whose docstring lists the steps.
"""
