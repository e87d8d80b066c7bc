"""
How near the loops come to the machine
======================================

A profile times each phase of each layer inside the compiled loop, and measures what this machine can do at most. In the
roofline, a phase to the left is held up by memory, one to the right by arithmetic; near the roof nothing is left to
gain.
"""

import numpy as np

from hotloop import SGD, Network, profile
from hotloop.plots import plot_roofline

rng = np.random.default_rng(0)
x, y = rng.normal(size=(2000, 256)).astype("float32"), rng.integers(0, 10, 2000)
net = Network([256, 256, 128, 10], loss="cross_entropy", seed=0)
with profile() as prof:
    net.fit(x, y, epochs=5, optimizer=SGD(0.01, momentum=0.9), batch_size=64, progress=False)

plot_roofline(prof)
