"""scikit-learn: MLPClassifier and MLPRegressor.

It gets the common initial weights, and rows already in the epoch's order, since `partial_fit` takes no order. Three
things differ, and are corrected here. Its L2 penalty is on by default. Its squared loss is half the sum over the
outputs, where the others take the mean: the learning rate is multiplied by 2 / outputs, and the reported loss is
doubled. Its Adam adds epsilon before the second moment is corrected, where 1e-8 weighs up to 30 times as much and shows
in the loss: here epsilon is 1e-12.
"""

import numpy as np
from sklearn.neural_network import MLPClassifier, MLPRegressor

from benchmarks.comparison.cases import ADAM, Case, Layers, data, initial_weights, orders

ACTIVATIONS = {"relu": "relu", "tanh": "tanh", "sigmoid": "logistic"}


class Peer:
    """An estimator with given initial weights."""

    def __init__(self, case: Case) -> None:
        if case.dropout or case.optimizer == "rmsprop":
            raise NotImplementedError("scikit-learn has no dropout and no RMSprop")
        self.case = case
        self.inputs, self.targets = data(case)
        self.scale = 1.0 if case.loss == "cross_entropy" else 2.0
        kind, self.classes = MLPRegressor, {}
        if case.loss == "cross_entropy":
            kind, self.classes = MLPClassifier, {"classes": np.arange(case.sizes[-1])}
        elif case.sizes[-1] == 1:
            self.targets = self.targets[:, 0]
        self.estimator = kind(
            hidden_layer_sizes=case.sizes[1:-1], activation=ACTIVATIONS[case.activation], solver=case.optimizer,
            batch_size=case.batch, alpha=0.0, momentum=0.0, shuffle=False, random_state=0,
            learning_rate_init=case.learning_rate * (1.0 if self.classes else self.scale / case.sizes[-1]),
            beta_1=ADAM["beta1"], beta_2=ADAM["beta2"], epsilon=1e-12,
        )  # fmt: skip
        self.estimator.partial_fit(self.inputs[: case.batch], self.targets[: case.batch], **self.classes)
        self.reset()

    def reset(self) -> None:
        estimator = self.estimator
        for weights, bias, initial in zip(
            estimator.coefs_, estimator.intercepts_, initial_weights(self.case), strict=True
        ):
            weights[:], bias[:] = initial
        vars(estimator).pop("_optimizer", None)  # the moments of Adam; the next partial_fit makes new ones

    def train(self, epochs: int) -> float:
        for order in orders(self.case, epochs):
            self.estimator.partial_fit(self.inputs[order], self.targets[order])
        return self.scale * float(self.estimator.loss_)

    def parameters(self) -> Layers:
        return list(zip(self.estimator.coefs_, self.estimator.intercepts_, strict=True))
