"""Verdicts from the ratios of two commits' times."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

CONFIDENCE = 0.99  # of the verdict that something is slower: takes at least 8 pairs of processes
CLEARANCE = 0.9  # confidence of the verdict that it is not
FEWEST = 5  # pairs: fewer give no interval with the confidence CLEARANCE
SLOWER, FASTER, SAME, UNSURE = "slower", "faster", "same", "unsure"


def interval(values: Sequence[float], confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return a confidence interval of the median, valid for any distribution.

    The k-th smallest and the k-th largest of n values enclose the median with probability 1 - 2 P(B < k), where B is
    binomial (n, 1/2); k is the largest that keeps the confidence. With too few values the interval is infinite. Source:
    Conover, Practical Nonparametric Statistics (1999), section 3.2.
    """
    n, tail, k = len(values), 0.0, 0
    while k <= n // 2:
        tail += math.comb(n, k) / 2**n
        if 1 - 2 * tail < confidence:
            break
        k += 1
    ordered = sorted(values)
    return (ordered[k - 1], ordered[-k]) if k else (-math.inf, math.inf)


@dataclass(frozen=True)
class Listed:
    """A benchmark with its parameters, as a commit's process lists it; an `exact` one is the same in every run."""

    name: str
    body: str
    unit: str
    exact: bool


@dataclass
class Comparison:
    """One benchmark on two commits: the times or values of each."""

    name: str
    exact: bool = False
    base: list[float] = field(default_factory=list)
    head: list[float] = field(default_factory=list)

    @property
    def ratios(self) -> list[float]:
        """Head over base, for each pair of processes."""
        return [head / base for base, head in zip(self.base, self.head, strict=True)]

    @property
    def ratio(self) -> float:
        """The median of the ratios; of exact values, which may be zero, the first one."""
        if self.exact:
            return self.head[0] / self.base[0] if self.base[0] else (math.inf if self.head[0] else 1.0)
        return statistics.median(self.ratios)

    def interval(self) -> tuple[float, float]:
        """Return the confidence interval of the ratio."""
        return (self.ratio, self.ratio) if self.exact else interval(self.ratios)

    def verdict(self, threshold: float) -> str:
        """Return the verdict.

        "slower" if the ratio surely exceeds the threshold (for exact values, 1). With less confidence, since most
        benchmarks end here: "faster" if it is below 1 over the threshold, "same" if it does not exceed the threshold.
        Otherwise "unsure".
        """
        low = self.interval()[0]
        if self.exact:
            return SAME if self.head == self.base else SLOWER if low > 1 else FASTER
        if low > threshold:
            return SLOWER
        likely = interval(self.ratios, CLEARANCE)[1]
        return FASTER if likely < 1 / threshold else SAME if likely <= threshold else UNSURE
