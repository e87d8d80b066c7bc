"""The network: sizes, parameters, and what is done with them. It checks arguments and calls the modules below."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.activations import Activation, hidden_activation
from hotloop.network.gradient_check import GradientCheck, check_gradients
from hotloop.network.initializers import Initializer, initialize
from hotloop.network.layout import Layout
from hotloop.network.losses import Loss, checked_loss, checked_smoothing, loss_of, output_activation
from hotloop.network.metrics.named import checked_metrics
from hotloop.network.persistence.persistent import Persistent
from hotloop.network.summary import Summary, representation_of, summary
from hotloop.network.trainable import Trainable
from hotloop.network.training.callbacks import ACTIVE, active, span
from hotloop.network.training.one_row import OneRow
from hotloop.network.training.passes import loss_and_gradient, outputs_and_loss, row_losses, scores
from hotloop.network.training.trace import Trace, traced
from hotloop.network.training.training_state import TrainingState
from hotloop.network.validation import arguments
from hotloop.network.validation.suggestions import explains_keywords


class Network(Trainable, OneRow, Persistent):
    """A dense network: a(l) = f(z(l)), z(l) = a(l-1) W(l) + b(l).

    Parameters
    ----------
    sizes : sequence of int
        Inputs, units of each hidden layer, outputs: ``[64, 32, 10]``.
    activation : str, Activation, or sequence of them, default "relu"
        Of the hidden layers, one for all or one for each: identity, sigmoid, tanh, relu, leaky_relu, elu, selu, gelu,
        silu, mish, softplus. Also known as: linear, logistic, swish. With a parameter, or your own:
        `hotloop.activations`.
    output : str or Activation, optional
        Activation of the last layer. The default follows the loss: identity; sigmoid for binary_cross_entropy; softmax
        for cross_entropy; exponential for poisson. These three also allow identity: `predict` then returns logits, and
        the loss is the same.
    loss : str or Loss, default "mse"
        mse, mae, huber, log_cosh, quantile (the median), poisson (counts), binary_cross_entropy (one or several labels
        a row): means over batch and outputs; cross_entropy: mean over the batch. Or one with parameters, such as
        ``hotloop.losses.Quantile([0.1, 0.5, 0.9])`` or ``hotloop.losses.Huber(2.0)``. Also known as:
        mean_squared_error, mean_absolute_error, absolute_error, logcosh, pinball, binary_crossentropy, bce,
        categorical_crossentropy, sparse_categorical_crossentropy. Your own: `hotloop.losses.CustomLoss`.
    initializer : str, callable, or sequence of them or of arrays, optional
        glorot_uniform, glorot_normal, he_uniform, he_normal, lecun_uniform, lecun_normal, orthogonal, zeros, normal
        (also known as xavier_uniform, xavier_normal, kaiming_uniform, kaiming_normal), ``Normal(scale)``, or any
        callable (numpy Generator, fan_in, fan_out) -> array; one for all layers or for each. An array, or a pair of
        arrays (weights, bias), sets a layer. The default follows each layer's activation: he_normal for ReLU and its
        kin, lecun_normal for SELU, glorot_uniform for the others. Biases start at zero.
    layer_norm : bool or sequence of bool, default False
        Whether each hidden layer normalises its z, over its units, before the activation; it then has a `gain`, from 1,
        and a `shift`, from 0, for each unit.
    learn_activation : bool or sequence of bool, default False
        Whether a hidden layer's activation becomes (1 - a) z + a f(z), with an a for each unit that is learnt, from 1.
    learn_input_scale : bool, default False
        Whether each input is multiplied by a number that is learnt, from 1.
    dropout : float or sequence of float, default 0
        Share of each hidden layer's units that a training step drops; those kept are scaled by 1 / (1 - dropout). It
        needs a hidden layer, unless it is 0, as `layer_norm` does.
    input_dropout : float, default 0
        Share of the inputs that a training step drops, in the same way.
    label_smoothing : float, default 0
        Of the two cross-entropies, below 1: training sees targets (1 - e) y + e / classes, or (1 - e) y + e / 2 for
        binary_cross_entropy. As with dropout, evaluation, validation and prediction do not; `gradient` does.
    l1, l2 : float, default 0
        Penalties on weights, not biases: the loss is C + l1 sum |w| + l2 sum w^2, wherever a loss is reported.
    max_norm : float or sequence of float or None, optional
        c, one for all layers or for each: after each step the incoming weights w of a unit, without its bias, are
        w c / |w| where |w| is above c. Source: Srivastava et al. (2014), section 5.1.
    input_offset, input_scale : float or array-like (inputs,), default 0 and 1
        The network sees input_scale * (X - input_offset), wherever it is given an X: 1 / 255 for images of bytes, which
        then need no conversion; the mean and 1 / the standard deviation of each column of a table. Both are saved with
        the network, and may be set later.
    dtype : {"float32", "float64"}
        Of parameters and arithmetic. Numbers smaller than 1.2e-38, or 2.2e-308, count as zero.
    seed : int, optional
        Of weights, shuffling and dropout; the same seed gives the same bits. By default a new one is drawn.

    Attributes
    ----------
    activations : tuple of str or Activation
        Of each layer, the output's last: its name, or the one that was given.
    metadata : dict of str to str
        Saved with the network.

    Examples
    --------
    >>> net = Network([2, 8, 1], activation="tanh", seed=0)
    >>> net.n_parameters
    33
    """

    @explains_keywords
    def __init__(
        self,
        sizes: Sequence[int],
        activation: str | Activation | Sequence[str | Activation] = "relu",
        *,
        output: str | Activation | None = None,
        loss: str | Loss = "mse",
        initializer: Initializer = None,
        layer_norm: bool | Sequence[bool] = False,
        learn_activation: bool | Sequence[bool] = False,
        learn_input_scale: bool = False,
        dropout: float | Sequence[float] = 0.0,
        input_dropout: float = 0.0,
        label_smoothing: float = 0.0,
        l1: float = 0.0,
        l2: float = 0.0,
        max_norm: float | Sequence[float | None] | None = None,
        input_offset: Any = 0.0,
        input_scale: Any = 1.0,
        dtype: Any = "float32",
        seed: int | None = None,
    ) -> None:
        self.sizes = arguments.sizes_of_network(sizes)
        hidden = len(self.sizes) - 2
        self.loss = checked_loss(loss)
        self.activations = (
            *arguments.per_layer("activation", activation, hidden, hidden_activation),
            output_activation(output, self.loss, self.sizes[-1]),
        )
        self.layer_norm = tuple(arguments.flags_per_layer("layer_norm", layer_norm, hidden))
        self.learn_activation = tuple(arguments.flags_per_layer("learn_activation", learn_activation, hidden))
        self.learn_input_scale = arguments.flag("learn_input_scale", learn_input_scale)
        loss_of(self.loss).check(self.sizes[-1], self.activations[-1])
        self.dropout = tuple(arguments.dropout_rates(dropout, hidden))
        self.input_dropout = arguments.real_number("input_dropout", input_dropout, 0, 1)
        self.label_smoothing = checked_smoothing(label_smoothing, self.loss)
        self.dtype = arguments.floating_dtype(dtype)
        self.l1, self.l2 = arguments.penalty("l1", l1, self.dtype), arguments.penalty("l2", l2, self.dtype)
        limits = arguments.per_layer("max_norm", max_norm, hidden + 1, self._norm_limit)
        self.max_norm = None if limits.count(None) == hidden + 1 else tuple(limits)
        self._set_scaling(input_offset, input_scale)
        if seed is None:
            seed = int(np.random.SeedSequence().generate_state(1, np.uint64)[0] >> 1)
        self.seed = arguments.whole_number("seed", seed, 0, arguments.LARGEST)
        self._layout = Layout(self.sizes, self.dtype, self.layer_norm, self.learn_activation, self.learn_input_scale)
        self._parameters = self._layout.parameters()
        self._layout.set_neutral(self._parameters)
        initialize(initializer, self._layout.split(self._parameters), self.activations, self.dtype, self.seed)
        self._training = TrainingState(self.dtype)
        self.metadata: dict[str, str] = {}
        self._compiled: tuple[Array, Array, Array] | None = None  # the arguments of predict_one, once there are any

    def _norm_limit(self, value: Any) -> float | None:
        return None if value is None else arguments.scale("max_norm", value, self.dtype)

    @property
    def parameters(self) -> Array:
        """All that is learnt, one vector; rows are padded to 64 bytes with zeros. Write into it freely."""
        return self._parameters

    @parameters.setter
    def parameters(self, value: Array) -> None:
        # Python assigns after it has changed in place: net.parameters -= learning_rate * gradient
        if value is not self._parameters:
            raise AttributeError("write into the vector: net.parameters[:] = ...")

    @property
    def weights(self) -> tuple[Array, ...]:
        """Weights of each layer (fan_in, fan_out), views of `parameters`."""
        return self._layout.split(self._parameters)[0]

    @property
    def biases(self) -> tuple[Array, ...]:
        """Biases of each layer (fan_out,), views of `parameters`."""
        return self._layout.split(self._parameters)[1]

    @property
    def gains(self) -> tuple[Array | None, ...]:
        """Gains of each layer's normalisation (fan_out,), views of `parameters`; None where a layer has none."""
        return self._layout.of_layers("gain", self._parameters)

    @property
    def shifts(self) -> tuple[Array | None, ...]:
        """Shifts of each layer's normalisation (fan_out,), views of `parameters`; None where a layer has none."""
        return self._layout.of_layers("shift", self._parameters)

    @property
    def mixes(self) -> tuple[Array | None, ...]:
        """The a of each layer's learnt activation (fan_out,), views of `parameters`; None where a layer has none."""
        return self._layout.of_layers("mix", self._parameters)

    @property
    def learnt_input_scale(self) -> Array | None:
        """The learnt scale of each input (inputs,), a view of `parameters`; None without `learn_input_scale`."""
        return self._layout.input_scale(self._parameters)

    @property
    def n_parameters(self) -> int:
        """Number of weights, biases and whatever else is learnt, without padding."""
        return self._layout.n_parameters

    def split(self, vector: Array) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
        """Return (weights, biases) of a vector in the layout of `parameters`, for example a gradient, as views."""
        return self._layout.split(self._like_parameters(vector))

    def parts(self, vector: Array) -> dict[str, Array]:
        """Return all parts of a vector in the layout of `parameters`, as views, by their names in a model file.

        These are layers.0.weights, layers.0.bias and so on, with layers.0.gain and layers.0.shift of `layer_norm`,
        layers.0.mix of `learn_activation`, and input_scale of `learn_input_scale`.
        """
        return self._layout.parts(self._like_parameters(vector))

    def _like_parameters(self, vector: Array) -> Array:
        if not isinstance(vector, np.ndarray) or vector.shape != self._parameters.shape:
            found = vector.shape if isinstance(vector, np.ndarray) else type(vector).__name__
            raise ValueError(f"vector has shape {found}; wanted {self._parameters.shape}, as net.parameters")
        return vector

    def predict(self, X: Any, *, n_threads: int | str = "auto") -> Array:
        """Return the outputs (N, outputs) for inputs X (N, inputs), after the output activation; dropout is off.

        A row's result does not depend on the rows beside it or on the number of threads, to the bit. "auto" takes more
        than one of the cores that this process may use if there is work for about 0.5 ms each. X as in `fit`.
        """
        if ACTIVE.get() and active():  # one row takes 3 us: no call for nothing
            with span("predict"):
                return self._predict(X, n_threads)
        return self._predict(X, n_threads)

    def _predict(self, X: Any, n_threads: int | str) -> Array:
        n_threads, outputs = arguments.threads(n_threads), self._predict_one(X)
        if outputs is not None:
            return outputs
        data = self._prepared((self._scaled(X), np.empty((0, 0), self.dtype), np.empty(0, np.int64)))
        return outputs_and_loss(data, self._parameters, n_threads)[0]

    @explains_keywords
    def evaluate(
        self,
        X: Any,
        y: Any,
        *,
        sample_weight: Any = None,
        metrics: Sequence[Any] | None = None,
        n_threads: int | str = "auto",
    ) -> dict[str, float]:
        """Return the loss, penalties included, the accuracy (cross-entropies) or the R^2 (other losses), and `metrics`.

        With binary_cross_entropy the accuracy is over all outputs, a target counting as true above 1/2. The R^2 is that
        of the quantile nearest the median, where there are several. With `sample_weight` (N,) all are means over the
        weights' sum, as in `fit`. Labels are not smoothed. The metrics are names or functions, as in `fit`.
        """
        chosen = checked_metrics(metrics, loss_of(self.loss), self.sizes[-1])
        with span("evaluate"):
            data = self._evaluated("", X, y, sample_weight)
            return scores(data, self._parameters, arguments.threads(n_threads), metrics=chosen)

    @explains_keywords
    def row_losses(self, X: Any, y: Any, *, n_threads: int | str = "auto") -> Array:
        """Return the loss of each row (N,), float64, without penalties; their mean is the loss without them.

        The rows with the highest losses are the ones to look at: mislabelled, or of a kind that was hardly seen.

        Parameters
        ----------
        X, y : array-like
            As in `evaluate`.
        n_threads : int or "auto"
            As in `predict`.

        Examples
        --------
        >>> import numpy as np
        >>> X, y = np.array([[0.0], [1.0], [2.0]]), np.array([0.0, 1.0, 5.0])
        >>> net = Network([1, 1], loss="mse", dtype="float64", seed=0)
        >>> net.weights[0][:], net.biases[0][:] = 1.0, 0.0
        >>> net.row_losses(X, y)
        array([0., 0., 9.])
        """
        with span("evaluate"):
            return row_losses(self._evaluated("", X, y), self._parameters, arguments.threads(n_threads))

    @explains_keywords
    def gradient(
        self, X: Any, y: Any, *, sample_weight: Any = None, class_weight: Any = None, positive_weight: Any = None
    ) -> tuple[float, Array]:
        """Return the loss, penalties included, and its gradient in the layout of `parameters`.

        It is the loss that `fit` descends, with the same weights and with `label_smoothing`, but without dropout.
        """
        with span("gradient"):
            data = self._trained_on(self._checked(X, y), sample_weight, class_weight, positive_weight)
            return loss_and_gradient(self, data, self._parameters)

    @explains_keywords
    def trace(
        self, X: Any, y: Any, *, sample_weight: Any = None, class_weight: Any = None, positive_weight: Any = None
    ) -> Trace:
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
        with span("trace"):
            data = self._trained_on(self._checked(X, y), sample_weight, class_weight, positive_weight)
            return traced(data, self._parameters)

    @explains_keywords
    def check_gradients(self, X: Any, y: Any, *, per_layer: int = 50, seed: int = 0) -> GradientCheck:
        """Compare the gradient with central differences of the loss, in float64; penalties included, dropout off.

        For your own activations and losses, or out of curiosity: takes some milliseconds a parameter. The network is
        not changed. Where an activation has a kink that a step of 1e-4 crosses, a parameter does not count.

        Parameters
        ----------
        X, y : array-like
            As in `fit`. At most 64 rows are used, drawn at random.
        per_layer : int, default 50
            How many weights, and how many biases, of each layer are checked, if there are more: drawn at random.
        seed : int, default 0
            Of what is drawn.

        Returns
        -------
        GradientCheck
            With `ok`, a line for each layer's weights and biases in `layers`, and a table if printed. Allowed is a
            relative error of 1e-6, or 5e-3 for float32.

        Examples
        --------
        >>> import numpy as np
        >>> net = Network([2, 8, 1], activation="tanh", dtype="float64", seed=0)
        >>> net.check_gradients(np.ones((4, 2)), np.ones(4)).ok
        True
        """
        return check_gradients(self, X, y, per_layer, seed)

    def summary(self) -> Summary:
        """Return a text, in notebooks a table: each layer's shape, activation, parameters; operations; bytes."""
        return summary(
            self._layout, self.activations, self.dropout, self.loss, self.label_smoothing, self.input_offset,
            self.input_scale, self.input_dropout, self.l1, self.l2, self.max_norm,
        )  # fmt: skip

    def __repr__(self) -> str:
        """Return what the network is made of."""
        hidden = list(self.activations[:-1])
        activation = f"activation={hidden}, " if hidden else ""
        kind = f"output={self.activations[-1]!r}, loss={self.loss!r}, dtype='{self.dtype}'"
        given = "".join(
            f", {name}={value!r}"
            for name in ("l1", "l2", "max_norm")
            if (value := getattr(self, name)) not in (0, None)
        )
        return f"Network({list(self.sizes)}, {activation}{kind}{given}{self._scaling_in_words()})"

    def _repr_html_(self) -> str:
        """Return the summary for notebooks, and how far the network is trained."""
        return representation_of(self)
