"""The table over the number of threads: training and prediction, with a core for each thread.

JAX has no setting for its threads, so it is measured only with the most of them: it starts one for each core that its
process may use.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.comparison.cases import NETWORKS, PREDICTED
from benchmarks.comparison.measure import PEERS, Session, Times, in_turn, per_call, same_loss, step_times
from benchmarks.comparison.tables import NotMeasured, Rows, end, same_outputs
from benchmarks.comparison.worker import PeerError, Worker

PREDICT = "predict"
# Targets: one thread's time over that of so many threads.
SPEED_UP: dict[str, dict[int, float]] = {
    "784-128-10": {2: 1.4},
    "784-512-512-10": {2: 1.7, 16: 6},
    "784-512-512-10-b1024": {16: 10},
    "1024-1024-1024-10": {2: 1.7, 16: 10},
    "2048-2048-2048-10": {16: 10},
    PREDICT: {16: 10},
}
AUTO_SLOWER = 1.05  # "auto" may take this many times as long as the best number of threads
MOST_ROUNDS = 5  # with five numbers of threads a round of a network takes four seconds


def threads(session: Session) -> Rows:
    """Measure hotloop, and PyTorch, by the number of threads; hotloop's "auto" and JAX with the most of them."""
    counts = numbers_of_threads(session)
    workers: dict[str, Worker] = {}
    try:
        for name in ("hotloop", "torch", "jax"):
            workers |= started(session, name, counts) if name in session.peers else {}
        if not workers:
            raise NotMeasured("none of its peers is here")
        session.say(f"  {len(workers)} processes, {', '.join(map(str, counts))} threads")
        return [one_row(session, name, workers, counts) for name in SPEED_UP]
    finally:
        end(workers)


def numbers_of_threads(session: Session) -> list[int]:
    """Return the numbers of threads to measure: those asked for that have a core each, or 1, 2, 4, ... and all cores.

    What is left out is noted. A quick session takes every second one.
    """
    from hotloop.network.training.cores import available_cores  # loads Numba, which `--help` does without

    most = min(len(session.cores), available_cores())
    available = f"this process may use {most} core{'s' if most > 1 else ''}"
    if session.threads is None:
        if most == 1:
            raise NotMeasured(available)
        found = {base**k for base in [4 if session.quick else 2] for k in range(most.bit_length())} | {most}
    else:
        found = set(session.threads)
    above = sorted(n for n in found if n > most)
    if above and session.threads is not None:
        session.absent[f"threads: {', '.join(map(str, above))}"] = available
    if len(above) == len(found):
        raise NotMeasured(available)
    return sorted(found.difference(above))


def started(session: Session, name: str, counts: Sequence[int]) -> dict[str, Worker]:
    """Start a peer's processes, and return them by label; none if it cannot be imported, which is noted."""
    peer, subject = PEERS[name]
    labels = {labelled(peer, count): count for count in (counts[-1:] if name == "jax" else counts)}
    labels |= {labelled(peer, "auto"): counts[-1]} if name == "hotloop" else {}
    workers = {label: Worker(label, subject, session.cores[-count:]) for label, count in labels.items()}
    try:
        next(iter(workers.values())).run("worker:load", subject)
    except PeerError as error:
        session.absent[f"{peer} (threads)"] = str(error)
        end(workers)
        return {}
    return workers


def labelled(peer: str, count: int | str) -> str:
    """Return the label of a peer with so many threads."""
    return f"{peer}, {count}{'' if count == 'auto' else ' thread' if count == 1 else ' threads'}"


def one_row(session: Session, name: str, workers: dict[str, Worker], counts: Sequence[int]) -> dict[str, Any]:
    """Return the row of a network, or of the prediction."""
    case = PREDICTED if name == PREDICT else NETWORKS[name]
    title = f"{case.name.partition(',')[0]}, predict {case.rows} rows" if name == PREDICT else case.name
    choices = {labelled("hotloop", count): count for count in (*counts, "auto")}
    limited = session.with_rounds(MOST_ROUNDS)

    def measure(ready: dict[str, Worker]) -> tuple[dict[str, Times], int | None]:
        for label, worker in ready.items():
            worker.subject = f"{worker.subject.partition(':')[0]}:{'Predictor' if name == PREDICT else 'Peer'}"
            worker.make(case, **({"n_threads": choices[label]} if label in choices else {}))
        if name == PREDICT:
            measures = {label: per_call(limited, worker, "predict") for label, worker in ready.items()}
            same_outputs({label: np.asarray(worker.call("output")) for label, worker in ready.items()})
            return in_turn(limited.rounds, measures), None
        same_loss(case, ready)
        times, auto = step_times(limited, case, ready), ready.get(labelled("hotloop", "auto"))
        return times, auto.call("chosen") if auto else None

    times, chosen = session.without_failing(f"{title}, threads", workers, measure)
    session.announce(title, times)
    return {
        "network": title, "threads": list(counts), "chosen": chosen,
        "microseconds": {label: found.record() for label, found in times.items()},
        **judged({label: found.median for label, found in times.items()}, counts, SPEED_UP[name]),
    }  # fmt: skip


def judged(medians: dict[str, float], counts: Sequence[int], wanted: dict[int, float]) -> dict[str, Any]:
    """Compare the numbers of threads, and hotloop with its peers at the same number.

    Parameters
    ----------
    medians : dict
        Seconds by label.
    counts : sequence of int
        The numbers of threads, rising.
    wanted : dict
        The target speed-up by number of threads.

    Returns
    -------
    dict
        "speed_up" by peer: the time of one thread over that of the most; "speed_up_wanted", hotloop's target there;
        "auto_over_best"; "slower_at" by peer: the numbers of threads at which hotloop is slower; "loses" if there are
        any; "too_slow" if a target is missed.
    """
    most, speed_up, slower_at = counts[-1], {}, {}
    for peer in ("hotloop", "PyTorch eager", "JAX"):
        seconds = {count: medians[label] for count in counts if (label := labelled(peer, count)) in medians}
        if {1, most} <= seconds.keys() and most > 1:
            speed_up[peer] = seconds[1] / seconds[most]
        if peer == "hotloop":
            ours = seconds
        elif found := [count for count in seconds if count in ours and seconds[count] < ours[count]]:
            slower_at[peer] = found
    auto = medians.get(labelled("hotloop", "auto"))
    over_best = auto / min(ours.values()) if auto and ours else None
    short = "hotloop" in speed_up and speed_up["hotloop"] < wanted.get(most, 0)
    return {
        "speed_up": speed_up, "speed_up_wanted": wanted.get(most), "auto_over_best": over_best, "slower_at": slower_at,
        "loses": bool(slower_at), "too_slow": short or (over_best or 0) > AUTO_SLOWER,
    }  # fmt: skip
