"""The harness: drives any shop that a manifest describes, records what happened, and judges it."""

__version__ = "0.1.0"

# One recorded form of runs; a reader refuses what it does not know.
SCHEMA_VERSION = 2
