"""
A band instead of a line
========================

With the loss ``Quantile`` a network learns where 10 %, 50 % and 90 % of the values lie below, one output for each. Here
the noise grows from left to right, and the band with it.
"""

import matplotlib.pyplot as plt
import numpy as np

from hotloop import Network
from hotloop.losses import Quantile

rng = np.random.default_rng(0)
x = rng.uniform(-1, 1, (1500, 1))
y = np.sin(3 * x) + rng.normal(size=x.shape) * (0.1 + 0.25 * (x + 1))
net = Network([1, 32, 32, 3], "tanh", loss=Quantile([0.1, 0.5, 0.9]), seed=0)
net.fit(x, y, epochs=150, optimizer="adam", progress=False)

grid = np.linspace(-1, 1, 200)[:, None]
low, median, high = net.predict(grid).T
inside = np.mean((net.predict(x)[:, 0] < y[:, 0]) & (y[:, 0] < net.predict(x)[:, 2]))
print(f"{inside:.0%} of the points lie within the band from 10 % to 90 %")

# %%
# The true median is dashed.

figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
axes.plot(x, y, ".", color="0.6", markersize=3, label="data")
axes.fill_between(grid[:, 0], low, high, alpha=0.3, label="10 % to 90 %")
axes.plot(grid, median, label="median")
axes.plot(grid, np.sin(3 * grid), "--", color="black", linewidth=1, label="true median")
axes.set(xlabel="x", ylabel="y")
axes.legend()
