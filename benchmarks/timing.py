"""Interleaved timing of two functions, and the ratio of their times with a confidence interval."""

import time

import numpy as np


def time_ratio(first, second, rounds=60, seed=0):
    """Runs two functions in turn and compares them round by round, so that both meet the same state of the machine.

    Args:
        first: Function without arguments that returns when its work is done.
        second: The one to compare with.
        rounds: Number of rounds.
        seed: For the bootstrap.

    Returns:
        Median seconds of each, the median of the ratios first / second, and its 95 % confidence interval.
    """
    for _ in range(5):
        first()
        second()
    times = np.empty((rounds, 2))
    for i in range(rounds):
        for j in (0, 1) if i % 2 == 0 else (1, 0):
            start = time.perf_counter()
            (first, second)[j]()
            times[i, j] = time.perf_counter() - start
    ratios = times[:, 0] / times[:, 1]
    samples = np.random.default_rng(seed).choice(ratios, (2000, rounds))
    interval = np.percentile(np.median(samples, axis=1), [2.5, 97.5])
    return np.median(times, axis=0), float(np.median(ratios)), interval
