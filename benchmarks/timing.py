"""Timing rivals side by side: in one process, in turn, several times, by the ratio of medians."""

import statistics
import time
from typing import NamedTuple


class Timing(NamedTuple):
    first: float  # seconds of the first call, compilation in
    later: float  # median seconds of the calls after it
    value: float  # what the last call returned: the loss that it reached


def compare(rivals, repeats=5):
    """Time each rival once cold, then all of them in turn `repeats` times.

    rivals: dict of name and function; a function trains, waits for the result, and returns a loss.

    Returns a dict of name and Timing.
    """
    first = {name: _seconds(run)[0] for name, run in rivals.items()}
    later = {name: [] for name in rivals}
    values = {}
    for _ in range(repeats):
        for name, run in rivals.items():
            seconds, values[name] = _seconds(run)
            later[name].append(seconds)
    return {name: Timing(first[name], statistics.median(later[name]), values[name]) for name in rivals}


def _seconds(run):
    start = time.perf_counter()
    value = float(run())
    return time.perf_counter() - start, value
