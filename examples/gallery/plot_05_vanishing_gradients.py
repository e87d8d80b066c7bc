"""
Gradients that vanish
=====================

Through each layer of sigmoids the gradient is multiplied by the weights and by a slope of at most 1/4. After eight
layers hardly any of it is left, and the first layers do not learn. Rectified units have slope 1 where they are active.
"""

import matplotlib.pyplot as plt

from hotloop import Network
from hotloop.datasets import load_digits
from hotloop.plots import plot_gradient_flow

digits = load_digits()
figure, panels = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True, layout="constrained")
for axes, activation in zip(panels, ("sigmoid", "relu"), strict=True):
    net = Network([64, *[32] * 8, 10], activation, loss="cross_entropy", seed=0)
    plot_gradient_flow(net, digits.x_train[:256], digits.y_train[:256], axes=axes)
    axes.set(title=activation, ylim=(1e-10, 1))
panels[1].set_ylabel("")
