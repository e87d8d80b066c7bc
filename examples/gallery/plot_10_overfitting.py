"""
Learning by heart
=================

A network with 85 000 parameters learns 200 digits by heart: its training loss goes on falling while the loss on other
digits rises again. ``EarlyStopping`` waits for a better epoch as long as it has patience, and goes back to the best.
"""

import matplotlib.pyplot as plt

from hotloop import AdamW, EarlyStopping, Network
from hotloop.datasets import load_digits

digits = load_digits()
net = Network([64, 256, 256, 10], loss="cross_entropy", seed=0)
history = net.fit(
    digits.x_train[:200],
    digits.y_train[:200],
    epochs=200,
    optimizer=AdamW(0.003),
    validation_data=(digits.x_train[200:], digits.y_train[200:]),
    callbacks=[EarlyStopping(patience=60)],
    progress=False,
)
epochs = range(1, len(history["loss"]) + 1)
print(f"stopped after {len(epochs)} epochs; the best, which is kept, was epoch {history.best_epoch}")

# %%
# ``history.plot()`` draws the same and the accuracy as well, in its own way.

figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
axes.plot(epochs, history["loss"], label="training")
axes.plot(epochs, history["val_loss"], "--", label="validation")
axes.axvline(history.best_epoch, color="0.5", linestyle=":", label="best epoch")
axes.set(xlabel="epoch", ylabel="loss", ylim=(0, 1))
axes.legend()
