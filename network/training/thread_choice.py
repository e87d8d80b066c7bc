"""Which number of threads is fastest, learnt from the calls of a training loop as they are timed.

The result of training does not depend on it, to the bit, so nothing is lost by trying. It begins with the most threads
and compares the choice with fewer, from one number to the next, as long as that gains. Later it compares it with each
other number now and then, since another process may have started or ended. The dearer a comparison was, the longer it
is until the next.

Each comparison is one call with the choice and one with the candidate right after it: the speed of a virtual machine
changes within seconds. The majority of five decides, so that a call that is disturbed does not.
"""

from collections.abc import Sequence
from copy import copy
from statistics import mean, median

SLICE_SECONDS = 0.03  # one compiled call: short enough for Ctrl-C and the progress bar, long enough to cost nothing
TRIAL_SECONDS = 0.003
GAIN = 1.03  # how much faster another number of threads must be
WINS = 3  # of five comparisons
# One comparison is enough to drop a candidate that slow, two for one that fast; beyond one that is near, look further.
HOPELESS, CLEAR, NEAR = 0.8, 1.25, 0.9
SHARE = 0.01  # of the time: what all comparisons may cost after the first search
SHORTEST_REST, LONGEST_REST = 0.1, 2.0  # seconds of training between comparisons, doubling while the choice holds
# Calls after which a new choice has shown its speed, and the factor by which giving it up delays its next comparison:
# beside another process, two threads are fast while that sleeps, and slow on average.
PROOF, RELAPSE = 2, 4
# Micro-batches of the first call on several threads: with more of them than cores a barrier may take milliseconds.
FIRST_MICRO_BATCHES = 4
COLD_SECONDS = 0.01  # a shorter call is slowed down if it is the first that its threads run


class ThreadChoice:
    """Learns the fastest of some numbers of threads. It has no clock and no threads.

    Parameters
    ----------
    counts : sequence of int
        The numbers of threads, in ascending order.
    speed : float
        A guess: rows a second.
    micro_batch : int
        Rows: the least that a call trains.

    Attributes
    ----------
    counts : list of int
    n_threads : int
        The present choice.
    """

    def __init__(self, counts: Sequence[int], speed: float, micro_batch: int) -> None:
        self.counts, self.n_threads = list(counts), counts[-1]
        self._guess, self._micro_batch = speed, micro_batch
        self._speeds: dict[int, float] = {}  # rows a second, when last measured
        self._seconds = self._since = 0.0  # of training: in all, and until the last change of the choice
        self._searching = True
        self._due: dict[int, float] = {}  # when a number is compared again, in seconds of training
        self._rests: dict[int, float] = {}
        self._reference: tuple[float, bool] | None = None  # the choice's last call: its speed, and whether it was cold
        self._warming = False
        self._given_up: tuple[int, float] | None = None  # the choice before, and its speed, until the new one is proven
        self._proof: list[float] = []  # the speeds of the new one
        self._begin(self._neighbour(self.n_threads, -1))

    def plan(self) -> tuple[int, int]:
        """Return the number of threads and the rows of the next call."""
        count, seconds = self.n_threads, TRIAL_SECONDS if self._searching else SLICE_SECONDS
        if self._candidate is not None and self._reference is not None:
            count, seconds = self._candidate, TRIAL_SECONDS
        rows = int(self._speed(count) * seconds)
        if count not in self._speeds and count > 1:
            rows = min(rows, FIRST_MICRO_BATCHES * self._micro_batch)
        return count, max(1, rows)

    def learn(self, count: int, rows: int, seconds: float, *, whole: bool = True, cold: bool = False) -> None:
        """Note a call that `plan` asked for.

        Parameters
        ----------
        count, rows, seconds
            How many threads trained how many rows, and how long it took.
        whole : bool
            False for the tail of an epoch: waking the threads may have been most of its time.
        cold : bool
            Whether it was the first call of these threads.
        """
        speed, cold, known = rows / seconds, cold and seconds < COLD_SECONDS, count in self._speeds
        self._seconds += seconds
        self._speeds[count] = speed
        if len(self.counts) == 1 or not whole:
            return
        if count == self.n_threads:
            self._prove(speed)
            if self._candidate is None:
                self._begin(self._next())
            self._reference = (speed, cold) if known and self._candidate is not None else None
        elif count == self._candidate and self._reference is not None:
            reference, was_cold = self._reference
            self._cost += seconds * max(0.0, 1 - speed / reference)
            again, self._warming = self._warming, cold and not was_cold and not self._warming
            if not self._warming:  # else the candidate has another call, now that its threads are warm
                self._reference = None
            if was_cold == cold or again:
                self._compare(count, speed, reference)

    def give_up(self, count: int) -> None:
        """Drop this number of threads and larger ones: they cannot be started."""
        self.counts = [n for n in self.counts if n < count]
        self.n_threads = min(self.n_threads, self.counts[-1])
        self._given_up = self._reference = None
        self._begin(self._neighbour(self.n_threads, -1) if self._searching else None)

    def copy(self) -> "ThreadChoice":
        """Return a copy that goes on by itself."""
        other = copy(self)
        for name, value in vars(self).items():
            if isinstance(value, (dict, list)):
                setattr(other, name, value.copy())
        return other

    def _begin(self, candidate: int | None) -> None:
        """Begin to compare the choice with a candidate, or with none, which ends the search."""
        self._candidate, self._searching = candidate, self._searching and candidate is not None
        self._ratios, self._references, self._cost = list[float](), list[float](), 0.0

    def _speed(self, count: int) -> float:
        """Return a number's speed when it was last measured, or the least that may be expected of it."""
        if count in self._speeds:
            return self._speeds[count]
        return self._speeds.get(self.n_threads, self._guess) * min(1.0, count / self.n_threads)

    def _neighbour(self, count: int, direction: int) -> int | None:
        index = self.counts.index(count) + direction
        return self.counts[index] if 0 <= index < len(self.counts) else None

    def _compare(self, count: int, speed: float, reference: float) -> None:
        """Note a comparison of a candidate with the choice, and decide if it is enough."""
        ratios = self._ratios
        ratios.append(speed / reference)
        self._references.append(reference)
        won = sum(ratio > GAIN for ratio in ratios)
        if won == WINS or (won == len(ratios) == 2 and min(ratios) > CLEAR):
            self._change(count)
        elif len(ratios) - won == WINS or (len(ratios) == 1 and ratios[0] < HOPELESS):
            self._reject(count)

    def _change(self, count: int) -> None:
        before, self.n_threads, self._since = self.n_threads, count, self._seconds
        further = self._neighbour(count, 1 if count > before else -1)
        self._due = {before: self._seconds + SHORTEST_REST}
        if self._searching:
            self._begin(further)
        else:
            if further is not None:
                self._due[further] = self._seconds
            self._given_up, self._proof = (before, mean(self._references)), []
            self._begin(None)

    def _reject(self, count: int) -> None:
        rest = self._rests[count] = min(2 * self._rests.get(count, SHORTEST_REST / 2), LONGEST_REST)
        self._due[count] = self._seconds + max(rest, self._pause(self._cost))
        is_near = self._searching and median(self._ratios) > NEAR
        self._begin(self._neighbour(count, 1 if count > self.n_threads else -1) if is_near else None)

    def _prove(self, speed: float) -> None:
        """Give the new choice up if it is slower than the one before was."""
        if self._given_up is None:
            return
        self._proof.append(speed)
        if len(self._proof) < PROOF:
            return
        (before, speed_before), self._given_up = self._given_up, None
        if GAIN * mean(self._proof) < speed_before:
            failed, self.n_threads, self._since = self.n_threads, before, self._seconds
            self._rests[failed] = min(RELAPSE * self._rests.get(failed, SHORTEST_REST), LONGEST_REST)
            self._due = {failed: self._seconds + self._rests[failed]}
        else:
            self._rests = {}

    def _next(self) -> int | None:
        """Return the number to be compared now, if there is one."""
        if self._given_up is not None:
            return None
        others = {
            n: self._due.get(n, self._since + self._expected_pause(n)) for n in self.counts if n != self.n_threads
        }
        count = min(others, key=others.__getitem__)
        return count if others[count] <= self._seconds else None

    def _expected_pause(self, count: int) -> float:
        """Return how long to wait with a number that has not been compared with this choice."""
        speed = self._speed(count)
        loss = max(0.0, 1 - speed / self._speed(self.n_threads))
        return max(SHORTEST_REST, self._pause(max(TRIAL_SECONDS, self._micro_batch / speed) * loss))

    def _pause(self, cost: float) -> float:
        """Return how long to wait after a comparison that cost so many seconds, or before it."""
        return cost * (len(self.counts) - 1) / SHARE
