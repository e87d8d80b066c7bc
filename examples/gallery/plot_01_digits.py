"""
Which digits are mistaken for which
===================================

A network with one hidden layer learns handwritten digits. The confusion matrix counts the test digits, which other
people wrote, by their true class and the class that the network took them for.
"""

from hotloop import Network
from hotloop.datasets import load_digits
from hotloop.plots import plot_confusion_matrix

digits = load_digits()
net = Network([64, 64, 10], loss="cross_entropy", dropout=0.3, seed=0)
net.fit(digits.x_train, digits.y_train, epochs=30, optimizer="adam", progress=False)
accuracy = net.evaluate(digits.x_test, digits.y_test)["accuracy"]
print(f"{accuracy:.0%} of the test digits are right")

# %%
# A row has the digits of one class, a column those that the network took for one. What lies off the diagonal is wrong.

plot_confusion_matrix(net, digits.x_test, digits.y_test)
