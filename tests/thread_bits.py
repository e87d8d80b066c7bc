"""Random networks, trained by 1 to 16 threads in groups of any size: the same bits.

    python tests/thread_bits.py [NETWORKS [SEED]]

prints a line for each network, and ends with status 1 if two results differ. The threads may be more than the cores.
"""

import os
import sys

import numpy as np
from small_networks import OPTIMIZERS, everything

from hotloop import DivergenceError, Network
from hotloop.network.training import loop_arguments

WIDTHS = (1, 3, 10, 16, 33, 64, 100, 128, 200, 256, 300, 512)
COUNTS = tuple(range(1, 17))


def drawn(rng, number):
    """Return a description of a random network and its training: each update rule in turn."""
    sizes = [int(rng.choice(WIDTHS)) for _ in range(rng.integers(2, 6))]
    options = {"dtype": str(rng.choice(["float32", "float64"])), "seed": int(rng.integers(1000))}
    for name, value in (
        ("dropout", 0.2), ("l2", 1e-3), ("l1", 1e-4), ("layer_norm", True), ("learn_activation", True),
        ("learn_input_scale", True),
    ):  # fmt: skip
        if rng.random() < 0.25 and (len(sizes) > 2 or name in ("l1", "l2", "learn_input_scale")):
            options[name] = value
    return {
        "sizes": sizes, "options": options, "optimizer": list(OPTIMIZERS)[number % len(OPTIMIZERS)],
        "rows": int(rng.integers(1, 150)), "batch_size": int(rng.integers(1, 80)), "group": int(rng.integers(0, 17)),
    }  # fmt: skip


def bits(case, n_threads):
    """Return all that training changes, the losses and the predictions."""
    sizes, rng = case["sizes"], np.random.default_rng(case["rows"])
    X, y = rng.normal(size=(case["rows"], sizes[0])) / sizes[0], rng.normal(size=(case["rows"], sizes[-1]))
    net = Network(sizes, "tanh", **case["options"])
    try:
        losses = net.fit(
            X, y, epochs=2, batch_size=case["batch_size"], optimizer=OPTIMIZERS[case["optimizer"]],
            n_threads=n_threads, progress=False,
        )["loss"]  # fmt: skip
    except DivergenceError as error:
        losses = str(error)
    return everything(net), losses, net.predict(X, n_threads=n_threads).tobytes()


def differing(case, counts=COUNTS):
    """Return the numbers of threads whose bits are not those of one."""
    before = loop_arguments.GROUP
    loop_arguments.GROUP = case["group"]  # 0 for what is chosen
    try:
        expected = bits(case, 1)
        return [n_threads for n_threads in counts if bits(case, n_threads) != expected]
    finally:
        loop_arguments.GROUP = before


def main(networks=200, seed=0):
    """Compare, and return the exit status."""
    rng, wrong = np.random.default_rng(seed), 0
    for number in range(networks):
        case = drawn(rng, number)
        found = differing(case)
        wrong += bool(found)
        print(f"{number}: {case}: " + (f"{found} threads DIFFER" if found else "the same bits"), flush=True)
    print(f"{networks} networks, 1 to {COUNTS[-1]} threads on {os.cpu_count()} cores, {wrong} differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
