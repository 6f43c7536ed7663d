"""Order ids without a database: seconds, machine and sequence in 63 bits, laid out as Baidu's uid-generator does.

Two processes with one machine id make the same ids.
"""

import threading
import time

EPOCH = 1_700_000_000
MACHINE_BITS = 22
SEQUENCE_BITS = 13


class Snowflake:
    def __init__(self, machine: int) -> None:
        self.machine = machine
        self.lock = threading.Lock()
        self.second = 0
        self.sequence = 0

    def next(self) -> int:
        with self.lock:
            now = max(int(time.time()), self.second)
            self.sequence = self.sequence + 1 if now == self.second else 0
            if self.sequence >> SEQUENCE_BITS:
                now, self.sequence = now + 1, 0
            self.second = now
            return ((now - EPOCH) << MACHINE_BITS | self.machine) << SEQUENCE_BITS | self.sequence
