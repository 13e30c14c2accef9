"""Jobs over a table that do harm, and what watches over them; a module that workers get by value."""

import os
import resource
import signal
import time
from dataclasses import dataclass

import numpy as np

from gradline.rows.block import Block
from gradline.rows.kernel import Kernel


def ready() -> int:
    """The process that answers, which has imported gradline by now."""
    return os.getpid()


def page_faults() -> int:
    """Of a process that allocates and frees 2 MiB fifty times; 512 a time where each is handed back to the system."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(50):
        np.ones(2**18)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@dataclass(frozen=True)
class Slow(Kernel):
    """Counts rows, and takes its time over each block."""

    seconds: float = 0.02

    def map(self, block: Block) -> int:
        time.sleep(self.seconds)
        return block.n_rows

    def merge(self, first: int, second: int) -> int:
        return first + second


@dataclass(frozen=True)
class Poison(Slow):
    """Kills the process that meets one row."""

    row: int = 0

    def map(self, block: Block) -> int:
        if block.first_row <= self.row < block.first_row + block.n_rows:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().map(block)
