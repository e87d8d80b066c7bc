"""
Is it as sure as it says?
=========================

Of the predictions to which a calibrated network gives 80 %, 80 % are right. One that has learnt its training data by
heart is too sure of itself. Between these two half moons noise makes the class a matter of luck, and a large network
that trains too long does not know it; ``EarlyStopping`` keeps the one that did best on rows held out.
"""

import matplotlib.pyplot as plt

from hotloop import EarlyStopping, Network
from hotloop.datasets import moons
from hotloop.plots import plot_calibration

data = moons(400, noise=0.45)
figure, panels = plt.subplots(1, 2, figsize=(9, 3.8), sharey=True, layout="constrained")
runs = {"by heart": {}, "early stopping": {"validation_split": 0.25, "callbacks": [EarlyStopping(patience=20)]}}
for axes, (name, options) in zip(panels, runs.items(), strict=True):
    net = Network([2, 128, 128, 2], loss="cross_entropy", seed=0)
    net.fit(data.x_train, data.y_train, epochs=600, optimizer="adam", progress=False, **options)
    plot_calibration(net, data.x_test, data.y_test, axes=axes)
    axes.set_xlabel(f"{axes.get_xlabel()}\n{name}")
