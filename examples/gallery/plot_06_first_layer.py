"""
What the first layer looks for
==============================

Each unit of the first layer has a weight for each pixel, so its weights are an image: the pattern that excites it. With
a penalty on their size, the weights of pixels that are always white go to zero, and strokes appear.
"""

from hotloop import AdamW, Network
from hotloop.datasets import load_digits
from hotloop.plots import plot_first_layer

digits = load_digits()
net = Network([64, 32, 10], loss="cross_entropy", l2=1e-3, seed=0)
net.fit(digits.x_train, digits.y_train, epochs=40, optimizer=AdamW(0.003), progress=False)

plot_first_layer(net)
