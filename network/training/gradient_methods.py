"""What networks have for the gradient on one batch: itself, and every number on the way to it."""

from typing import TYPE_CHECKING, Any

from hotloop.kernels.jit import Array
from hotloop.network.training.callbacks import span
from hotloop.network.training.checked_data import CheckedData
from hotloop.network.training.passes import loss_and_gradient
from hotloop.network.validation.suggestions import explains_keywords

if TYPE_CHECKING:
    from hotloop.network.training.trace import Trace


class GradientMethods(CheckedData):
    """What a network inherits beside `fit`."""

    @explains_keywords(owner="Network")
    def gradient(
        self, X: Any, y: Any, *, sample_weight: Any = None, class_weight: Any = None, positive_weight: Any = None
    ) -> tuple[float, Array]:
        """Return the loss, penalties included, and its gradient in the layout of `parameters`.

        It is the loss that `fit` descends, with the same weights and with `label_smoothing`, but without dropout.

        Parameters
        ----------
        X, y, sample_weight, class_weight, positive_weight
            As in `fit`.

        Returns
        -------
        loss : float
        gradient : array
            Of the shape of `parameters`; `split` and `parts` have views of it.

        Examples
        --------
        >>> from hotloop import Network
        >>> net = Network([2, 8, 1], seed=0)
        >>> X, y = [[0.0, 1.0], [1.0, 0.0]], [1.0, 0.0]
        >>> before, gradient = net.gradient(X, y)
        >>> net.parameters -= 0.01 * gradient  # a step of gradient descent
        >>> net.gradient(X, y)[0] < before
        True
        """
        with span("gradient"):
            data = self._trained_on(self._checked(X, y), sample_weight, class_weight, positive_weight)
            return loss_and_gradient(self, data, self._parameters)

    @explains_keywords(owner="Network")
    def trace(
        self, X: Any, y: Any, *, sample_weight: Any = None, class_weight: Any = None, positive_weight: Any = None
    ) -> "Trace":
        """Return every number of backpropagation on one batch: z, a, delta, dW and db of each layer.

        With a(0) the inputs, for each layer l: z(l) = a(l-1) W(l) + b(l), a(l) = f(z(l)), delta(l) = dC/dz(l),
        dW(l) = a(l-1).T delta(l), db(l) = sum of delta(l) over the batch. The compiled loops compute them, and nothing
        is changed. The loss C is that of `gradient`, with the same arguments: a mean over the batch, with smoothed
        labels and weights, without dropout. Penalties are in the loss and in dW, and not in delta. After
        ``layer_norm`` f takes `normalised`, and z is what is normalised.

        Parameters
        ----------
        X, y : array-like
            As in `fit`. All rows are one batch, and the trace keeps three arrays of B rows for each layer.
        sample_weight, class_weight, positive_weight : optional
            As in `fit`. A row of weight 0 has a delta of 0.

        Returns
        -------
        Trace
            A sequence of layers, ``trace[0]`` the first, ``trace[-1]`` the output, each with `W`, `b`, `x`, `z`, `a`,
            `delta`, `dW`, `db`; beside it `x`, `loss` and `gradient`. See docs/backpropagation.md for the formulas.

        Examples
        --------
        A sigmoid neuron whose z is 0:

        >>> from hotloop import Network
        >>> net = Network([2, 1], output="sigmoid", initializer="zeros", dtype="float64")
        >>> trace = net.trace([[1.0, 2.0]], [1.0])
        >>> print(trace)
        1 row, loss 0.25
        layer        f   W, dW  b, db  z, a, delta  rms delta  rms dW
            0  sigmoid  (2, 1)   (1,)       (1, 1)       0.25   0.395
        >>> trace[0].delta  # 2 (a - y) a (1 - a)
        array([[-0.25]])
        >>> trace[0].dW
        array([[-0.25],
               [-0.5 ]])
        """
        from hotloop.network.training.trace import traced  # imported with its kernel by those who trace

        with span("trace"):
            data = self._trained_on(self._checked(X, y), sample_weight, class_weight, positive_weight)
            return traced(data, self._parameters)
