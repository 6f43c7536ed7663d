"""Sizing: which limiter, rate, workers and shops a sale needs, by a queueing model that a recorded run has calibrated.

Here live the demand, the calibration, the model, the choice and its table; `sweep` makes the matrix that tests the model.
Starting processes and judging runs do not belong here: a run is read from its directory, a matrix is run by `campaign`.
In the harness only `cli` imports this room. Read first: `choice.size`, then `model.predict`.
"""
