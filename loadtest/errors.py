"""Every error that the harness raises on purpose. Each carries the exit code it ends a run with."""


class HarnessError(Exception):
    """The harness itself failed: a service did not come up, a file could not be written.

    The message says what was expected, what was found and what to do.
    """

    exit_code = 70


class UsageError(HarnessError):
    """The user asked for something that cannot be done: a wrong key, value, file or address. Nothing was started."""

    exit_code = 2


class ServiceError(HarnessError):
    """A service or a shop process did not start, did not get ready, or died."""


class RunInterrupted(KeyboardInterrupt):
    """Ctrl-C or SIGTERM. No ``except Exception`` can swallow it; what the run has is still read and written."""

    exit_code = 130
