"""
One cycle of the learning rate
==============================

``fit_one_cycle`` lets the learning rate rise, so that the network gets out of bad places, and then fall to almost
nothing, so that it settles. Few epochs are enough: Smith and Topin (2018) called it super-convergence.
"""

from hotloop import AdamW, Network
from hotloop.datasets import load_digits

digits = load_digits()
net = Network([64, 128, 10], loss="cross_entropy", dropout=0.2, seed=0)
history = net.fit_one_cycle(
    digits.x_train, digits.y_train, 15, max_learning_rate=0.01, optimizer=AdamW(), validation_split=0.1, progress=False
)
print(f"accuracy on the test digits: {net.evaluate(digits.x_test, digits.y_test)['accuracy']:.0%}")

# %%
# The last panel is the learning rate at the end of each epoch. Most of the gain comes while it falls.

history.plot()
