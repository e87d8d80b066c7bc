"""
Find a learning rate
====================

How long should the steps be? ``find_learning_rate`` trains a copy of the network while the learning rate grows with
each batch, from far too small to far too large, and watches the loss. Good rates lie where it falls fastest, well
before it turns up.
"""

from hotloop import Network
from hotloop.datasets import load_digits
from hotloop.plots import plot_learning_rates

digits = load_digits()
net = Network([64, 64, 64, 10], loss="cross_entropy", seed=0)
sweep = net.find_learning_rate(digits.x_train, digits.y_train, optimizer="adam")
print(f"steep {sweep.steep:.1e}, valley {sweep.valley:.1e}, slide {sweep.slide:.1e}")

# %%
# Four rules read the curve, from the cautious valley to the slide at its bottom. Between valley and minimum is a good
# place to begin; a schedule that falls allows more.

plot_learning_rates(sweep)
