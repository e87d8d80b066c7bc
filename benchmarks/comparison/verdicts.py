"""What the ratios of two commits' times say."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

CONFIDENCE = 0.99  # for a verdict that something is slower: takes 8 pairs of processes and more
CLEARANCE = 0.9  # for one that it is not
FEWEST = 5  # pairs: the least from which an interval of the latter can be had
SLOWER, FASTER, SAME, UNSURE = "slower", "faster", "same", "unsure"


def interval(values: Sequence[float], confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return a confidence interval of the median, whatever the distribution.

    The k-th smallest and the k-th largest of n values lie on either side of the median with probability
    1 - 2 P(B < k), B binomial (n, 1/2); k is the largest that keeps the confidence. Source: Conover, Practical
    Nonparametric Statistics (1999), section 3.2. Infinite with fewer values than that takes.
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
    """A benchmark with its parameters, as the process of a commit lists it; `exact` ones are the same in every run."""

    name: str
    body: str
    unit: str
    exact: bool


@dataclass
class Comparison:
    """One benchmark on two commits: times or values of each, and what became of it."""

    name: str
    exact: bool = False
    base: list[float] = field(default_factory=list)
    head: list[float] = field(default_factory=list)

    @property
    def ratios(self) -> list[float]:
        """Of each pair of processes: head over base."""
        return [head / base for base, head in zip(self.base, self.head, strict=True)]

    @property
    def ratio(self) -> float:
        """The median of the ratios. Of exact values, which may be zero, one stands for all."""
        if self.exact:
            return self.head[0] / self.base[0] if self.base[0] else (math.inf if self.head[0] else 1.0)
        return statistics.median(self.ratios)

    def interval(self) -> tuple[float, float]:
        """Return the confidence interval of the ratio."""
        return (self.ratio, self.ratio) if self.exact else interval(self.ratios)

    def verdict(self, threshold: float) -> str:
        """Return what is known.

        "slower" if the ratio surely exceeds the threshold, of exact values 1. With less confidence, since that is what
        most benchmarks wait for: "faster" if it is below 1 over the threshold; "same" if it does not exceed the
        threshold. Else "unsure".
        """
        low = self.interval()[0]
        if self.exact:
            return SAME if self.head == self.base else SLOWER if low > 1 else FASTER
        if low > threshold:
            return SLOWER
        likely = interval(self.ratios, CLEARANCE)[1]
        return FASTER if likely < 1 / threshold else SAME if likely <= threshold else UNSURE
