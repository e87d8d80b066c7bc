"""The network: sizes, parameters, and what is done with them. It checks arguments and calls the modules below."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.kernels.layer_norm import EPSILON
from hotloop.network.activations import Activation, hidden_activation
from hotloop.network.gradient_check import GradientCheck, check_gradients
from hotloop.network.initializers import Initializer, initialize
from hotloop.network.layout import Layout
from hotloop.network.losses import Loss, checked_loss, checked_smoothing, loss_of, output_activation
from hotloop.network.metrics.named import checked_metrics
from hotloop.network.parameter_views import ParameterViews
from hotloop.network.persistence.persistent import Persistent
from hotloop.network.summary import Summary, representation_of, summary
from hotloop.network.trainable import Trainable
from hotloop.network.training.callbacks import ACTIVE, active, span
from hotloop.network.training.one_row import OneRow
from hotloop.network.training.passes import outputs_and_loss, row_losses, scores
from hotloop.network.training.training_state import TrainingState
from hotloop.network.validation import arguments
from hotloop.network.validation.suggestions import explains_keywords


class Network(Trainable, OneRow, ParameterViews, Persistent):
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
    layer_norm_epsilon : float or sequence of float, default 1e-5
        Added to the variance that is normalised. PyTorch's default is 1e-5 too; that of Keras is 1e-3.
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
    >>> from hotloop import Adam, Network
    >>> X, y = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [0, 1, 1, 0]  # exclusive or
    >>> net = Network([2, 8, 1], activation="tanh", loss="binary_cross_entropy", seed=0)
    >>> net.n_parameters
    33
    >>> history = net.fit(X, y, epochs=500, optimizer=Adam(0.05))
    >>> (net.predict(X) > 0.5).ravel().tolist()
    [False, True, True, False]
    >>> model = net.compiled_arguments()  # for hotloop.kernels.predict_one
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
        layer_norm_epsilon: float | Sequence[float] = EPSILON,
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
        self.layer_norm_epsilon = tuple(
            arguments.per_layer("layer_norm_epsilon", layer_norm_epsilon, hidden, self._norm_epsilon)
        )
        self._layout = Layout(
            self.sizes, self.dtype, self.layer_norm, self.learn_activation, self.learn_input_scale,
            self.layer_norm_epsilon,
        )  # fmt: skip
        self._parameters = self._layout.parameters()
        self._layout.set_neutral(self._parameters)
        initialize(initializer, self._layout.split(self._parameters), self.activations, self.dtype, self.seed)
        self._training = TrainingState(self.dtype)
        self.metadata: dict[str, str] = {}
        self._compiled: tuple[Array, Array, Array] | None = None  # the arguments of predict_one, once there are any

    def _norm_limit(self, value: Any) -> float | None:
        return None if value is None else arguments.scale("max_norm", value, self.dtype)

    def _norm_epsilon(self, value: Any) -> float:
        return arguments.scale("layer_norm_epsilon", value, self.dtype)

    def predict(self, X: Any, *, n_threads: int | str = "auto") -> Array:
        """Return the outputs (N, outputs) for inputs X (N, inputs), after the output activation; dropout is off.

        A row's result does not depend on the rows beside it or on the number of threads, to the bit. `n_threads`
        "auto" takes more than one of the cores that this process may use if there is work for about 0.5 ms each. X as
        in `fit`.

        Examples
        --------
        >>> from hotloop import Network
        >>> net = Network([4, 8, 3], loss="cross_entropy", seed=0)
        >>> probabilities = net.predict([[0.1, 0.2, 0.3, 0.4], [1.0, 0.0, 0.0, 0.0]])
        >>> probabilities.shape, probabilities.sum(axis=1).round(3).tolist()
        ((2, 3), [1.0, 1.0])
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
        of the quantile nearest the median, where there are several. Labels are not smoothed.

        Parameters
        ----------
        X, y, n_threads
            As in `fit`.
        sample_weight : array-like (N,), optional
            All are then means over the weights' sum.
        metrics : sequence of str or callable, optional
            Names or functions, as in `fit`.

        Returns
        -------
        dict of str to float

        Examples
        --------
        >>> from hotloop import Network
        >>> net = Network([2, 8, 2], loss="cross_entropy", seed=0)
        >>> list(net.evaluate([[0.0, 1.0], [1.0, 0.0]], [0, 1], metrics=["f1"]))
        ['loss', 'accuracy', 'f1']
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
        >>> from hotloop import Network
        >>> X, y = np.array([[0.0], [1.0], [2.0]]), np.array([0.0, 1.0, 5.0])
        >>> net = Network([1, 1], loss="mse", dtype="float64", seed=0)
        >>> net.weights[0][:], net.biases[0][:] = 1.0, 0.0
        >>> net.row_losses(X, y)
        array([0., 0., 9.])
        """
        with span("evaluate"):
            return row_losses(self._evaluated("", X, y), self._parameters, arguments.threads(n_threads))

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
        >>> from hotloop import Network
        >>> net = Network([2, 8, 1], activation="tanh", dtype="float64", seed=0)
        >>> net.check_gradients(np.ones((4, 2)), np.ones(4)).ok
        True
        """
        return check_gradients(self, X, y, per_layer, seed)

    def summary(self) -> Summary:
        """Return a text, in notebooks a table: each layer's shape, activation, parameters; operations; bytes.

        Examples
        --------
        >>> from hotloop import Network
        >>> print(Network([64, 64, 10], loss="cross_entropy", seed=0).summary())
        layer  weights  activation  dropout  parameters  FLOPs/sample
            1  64 x 64  relu              -       4,160         8,192
            2  64 x 10  softmax           -         650         1,280
        4,810 parameters, float32, 19,240 bytes (20,800 with padding)
        9,472 FLOPs a sample forward, 20,224 forward and backward; loss cross_entropy
        """
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
