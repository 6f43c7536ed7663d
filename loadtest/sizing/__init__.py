"""Sizing: from what is asked of a sale to its limiter and workers, by a model of queues that a stored run has calibrated."""
