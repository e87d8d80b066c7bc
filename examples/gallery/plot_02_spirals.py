"""
Where one class ends and another begins
=======================================

Three spirals wind around each other. No straight line parts them, but two hidden layers bend the plane until one does.
The colour of each place is the class that the network would give to a point there.
"""

from hotloop import Network
from hotloop.datasets import spirals
from hotloop.plots import plot_decision_boundary

data = spirals(600)
net = Network([2, 64, 64, 3], "tanh", loss="cross_entropy", seed=0)
net.fit(data.x_train, data.y_train, epochs=200, optimizer="adam", progress=False)

plot_decision_boundary(net, data.x_train, data.y_train)
