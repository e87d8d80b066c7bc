"""Networks to and from scikit-learn: its `MLPClassifier` and `MLPRegressor`, alone or after scalers in a pipeline."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.activations import row_of
from hotloop.network.interchange.layers import (
    Activate,
    Dense,
    Dropout,
    Layers,
    Rescale,
    layers_of,
    network_of,
    parameter,
    refuse,
    warn_of,
)
from hotloop.network.interchange.libraries import library
from hotloop.network.losses import loss_of
from hotloop.network.network import Network
from hotloop.network.persistence.schema import Schema
from hotloop.network.validation.printable import shown

ACTIVATIONS = {"identity": "identity", "logistic": "sigmoid", "tanh": "tanh", "relu": "relu"}  # in both directions
OUTPUTS = {"identity": "identity", "exp": "exponential", "logistic": "sigmoid", "softmax": "softmax"}
SCALERS = "StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler"
LOSSES = {"half_squared_error": "mse", "half_poisson_deviance": "poisson", "log_loss_of_labels": "binary_cross_entropy"}


def from_sklearn(estimator: Any, *, loss: Any = None, dtype: Any = None, **arguments: Any) -> Network:
    """Return the network of a fitted MLP of scikit-learn or of `hotloop.estimators`.

    Parameters
    ----------
    estimator : MLPClassifier, MLPRegressor or Pipeline
        A pipeline has scalers before the MLP (StandardScaler, MinMaxScaler, MaxAbsScaler, RobustScaler), which become
        `input_offset` and `input_scale`.
    loss, dtype
        As of `Network`. By default the estimator's: log_loss is cross_entropy, or binary_cross_entropy for two classes
        or several labels; squared_error is mse, which is twice that; poisson is poisson.
    **arguments
        Others of `Network`. Settings of training, such as `alpha`, do not come with the parameters: the penalty of
        batches of n rows is ``l2=alpha / 2 / n``.

    Returns
    -------
    Network
        With the names of inputs and classes in its metadata, where the estimator has them. Two classes have one output:
        the probability of the second.

    Raises
    ------
    ValueError
        If it is not fitted, or a step of the pipeline is something else.
    TypeError
        If it is another estimator.

    Examples
    --------
    >>> from hotloop.interchange import from_sklearn
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neural_network import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> mlp = MLPClassifier([8], solver="lbfgs", random_state=0).fit(X, y)
    >>> net = from_sklearn(mlp)
    >>> net.loss, net.dtype, bool(abs(net.predict(X) - mlp.predict_proba(X)).max() < 1e-12)
    ('cross_entropy', dtype('float64'), True)
    """
    network = library("sklearn.neural_network", "sklearn", "scikit-learn")
    from hotloop.network.estimators.mlp_classifier import MLPClassifier
    from hotloop.network.estimators.mlp_regressor import MLPRegressor

    before, mlp = _steps(estimator)
    if type(mlp) not in (network.MLPClassifier, network.MLPRegressor, MLPClassifier, MLPRegressor):
        raise TypeError(f"estimator must be an MLPClassifier or MLPRegressor, or a Pipeline of one, got {shown(mlp)}")
    name = type(mlp).__name__
    library("sklearn.utils.validation", "sklearn", "scikit-learn").check_is_fitted(mlp)
    scaling = [_scaling(before, len(mlp.coefs_[0]))] if before else []
    if isinstance(mlp, (MLPClassifier, MLPRegressor)):
        mlp._adopt()  # what was put into coefs_ counts
        layers, own = layers_of(mlp.network_, "a network"), mlp.network_.loss
        loss = LOSSES.get(loss_of(own).name, own) if loss is None else loss
    else:
        layers = _layers_of_mlp(mlp)
    net = network_of([*scaling, *layers], name, loss=loss, dtype=dtype, **arguments)
    schema = Schema(columns=_columns(estimator, mlp), classes=_class_names(mlp))
    if schema != Schema():
        net.metadata.update(schema.to_metadata())
    return net


def _layers_of_mlp(mlp: Any) -> Layers:
    """Return the layers of one of scikit-learn's own."""
    layers: Layers = []
    if mlp.activation not in ACTIVATIONS or mlp.out_activation_ not in OUTPUTS:
        refuse(type(mlp).__name__, f"unknown activation {shown(mlp.activation)} or {shown(mlp.out_activation_)}")
    last = len(mlp.coefs_) - 1
    for index, (coef, intercept) in enumerate(zip(mlp.coefs_, mlp.intercepts_, strict=True)):
        place = f"coefs_[{index}]"
        weights = parameter(place, "it", coef, (None, None))
        bias = parameter(f"intercepts_[{index}]", "it", intercept, (weights.shape[1],))
        layers.append(Dense(weights, bias, place=place))
        name = OUTPUTS[mlp.out_activation_] if index == last else ACTIVATIONS[mlp.activation]
        layers.append(Activate(name, place=f"the activation after {place}"))
    return layers


def _steps(estimator: Any) -> tuple[list[tuple[str, Any]], Any]:
    """Return the steps of a pipeline before its last, by their names, and the last."""
    pipeline = library("sklearn.pipeline", "sklearn", "scikit-learn")
    if type(estimator) is not pipeline.Pipeline:
        return [], estimator
    *before, (_, mlp) = estimator.steps
    return [(f"step {name!r}", step) for name, step in before if step is not None and step != "passthrough"], mlp


def _scaling(steps: list[tuple[str, Any]], n_inputs: int) -> Rescale:
    """Return what the scalers do together."""
    offset, scale = np.zeros(n_inputs), np.ones(n_inputs)
    for place, step in steps:
        next_offset, next_scale = _offset_and_scale(place, step)
        with np.errstate(divide="ignore", invalid="ignore"):  # an input that an earlier scale ignores
            offset, scale = np.where(scale == 0, offset, offset + next_offset / scale), scale * next_scale
    return Rescale(offset, scale, place="the scalers of the pipeline")


def _offset_and_scale(place: str, step: Any) -> tuple[Any, Any]:
    """Return what a fitted scaler subtracts, and then multiplies by."""
    preprocessing = library("sklearn.preprocessing", "sklearn", "scikit-learn")
    kind = type(step)
    if kind not in (getattr(preprocessing, name) for name in SCALERS):
        refuse(place, f"hotloop scales the inputs by offset and factor only, as {', '.join(SCALERS)} do, not {step!r}")
    if getattr(step, "clip", False):
        refuse(place, f"{step!r} clips, which hotloop does not")
    library("sklearn.utils.validation", "sklearn", "scikit-learn").check_is_fitted(step)
    if kind is preprocessing.MinMaxScaler:
        return -step.min_ / step.scale_, step.scale_
    if kind is preprocessing.MaxAbsScaler:
        return 0.0, 1 / step.scale_
    if kind is preprocessing.StandardScaler:  # which has its mean_ without with_mean, too
        centres, scales, centre = step.with_mean, step.with_std, step.mean_
    else:
        centres, scales, centre = step.with_centering, step.with_scaling, step.center_
    return centre if centres else 0.0, 1 / step.scale_ if scales else 1.0


def _columns(estimator: Any, mlp: Any) -> tuple[str, ...] | None:
    """Return the names of the inputs, which the first step has seen."""
    names = getattr(estimator, "feature_names_in_", getattr(mlp, "feature_names_in_", None))
    return None if names is None else tuple(map(str, names))


def _class_names(mlp: Any) -> tuple[str, ...] | None:
    """Return the names of the classes, unless they are just their numbers."""
    classes = getattr(mlp, "classes_", None)
    if classes is None or np.array_equal(classes, np.arange(len(classes))):
        return None
    return tuple(map(str, classes.tolist()))


def _numbers(names: tuple[str, ...] | None) -> Any:
    """Return the classes as the numbers that they were, if all are whole ones, of int or of float."""
    if names is None:
        return None
    for kind in (int, float):
        try:
            numbers = [kind(name) for name in names]
        except ValueError:
            continue
        whole = all(abs(number) < 2**53 and number == int(number) for number in numbers)  # as scikit-learn wants them
        if whole and [*map(str, numbers)] == [*names]:
            return numbers
    return names


def to_sklearn(net: Network, *, classes: Any = None) -> Any:
    """Return a fitted MLP of scikit-learn that computes the same.

    Its hidden layers share one activation: identity, sigmoid, tanh or relu. The output activation decides what it is:
    softmax and sigmoid make an `MLPClassifier`, whose `predict_proba` gives the outputs, identity and exponential an
    `MLPRegressor`. A network of logits gets the output activation of its loss. A softmax of two classes becomes the one
    logistic output that scikit-learn has for them. `partial_fit` goes on from these parameters, with scikit-learn's own
    loss, and a new optimizer.

    Parameters
    ----------
    net : Network
    classes : array-like, optional
        The name or number of each class, in the order of the outputs; scikit-learn sorts them. By default the names in
        the metadata, as numbers if all are, or 0, 1, ...

    Returns
    -------
    MLPClassifier, MLPRegressor or Pipeline
        A pipeline of a StandardScaler and the MLP if the network scales its inputs; ``pipeline[-1]`` is the MLP.

    Raises
    ------
    ValueError
        If scikit-learn has no MLP that computes the same: it names the layer.

    Warns
    -----
    InterchangeWarning
        Of dropout, which scikit-learn would train without.

    Examples
    --------
    >>> from hotloop import Network
    >>> from hotloop.interchange import to_sklearn
    >>> net = Network([2, 8, 3], loss="cross_entropy", seed=0)
    >>> mlp = to_sklearn(net, classes=["ham", "jam", "spam"])
    >>> mlp.predict([[1.0, 2.0], [-3.0, 0.5]])
    array(['jam', 'jam'], dtype='<U4')
    """
    network = library("sklearn.neural_network", "sklearn", "scikit-learn")
    dense, activation, rescale = _plain_layers(net)
    loss, output = loss_of(net.loss), row_of(net.activations[-1]).name
    output = loss.output if loss.from_logits else output
    if output not in OUTPUTS.values():
        refuse("the output", f"scikit-learn has no output activation {output}; it has {', '.join(OUTPUTS.values())}")
    schema = Schema.from_metadata(net.metadata, net.sizes[0], net.sizes[-1])
    hidden = net.sizes[1:-1]
    weights, biases = [layer.weights for layer in dense], [_bias(layer) for layer in dense]
    labels: Any
    if output in ("softmax", "sigmoid"):
        mlp = network.MLPClassifier(hidden, activation)
        exclusive = output == "softmax" or net.sizes[-1] == 1
        if exclusive:
            labels = _classes(_numbers(schema.classes) if classes is None else classes, max(net.sizes[-1], 2))
            _sort_classes(labels, weights, biases)
        else:
            if classes is not None:
                raise ValueError("classes= is for classes that exclude each other; each output is a label of its own")
            labels = np.array([[0] * net.sizes[-1], [1] * net.sizes[-1]])
        preprocessing = library("sklearn.preprocessing", "sklearn", "scikit-learn")
        mlp._label_binarizer = preprocessing.LabelBinarizer().fit(labels)
        mlp.classes_ = mlp._label_binarizer.classes_
    else:
        if classes is not None:
            raise ValueError(f"classes= is for a network that tells classes apart; the output is {output}")
        mlp = network.MLPRegressor("poisson" if output == "exponential" else "squared_error", hidden, activation)
    _fill(mlp, weights, biases)
    first = mlp if rescale is None else _standard_scaler(rescale, net.sizes[0])
    if schema.columns is not None:
        first.feature_names_in_ = np.array(schema.columns, dtype=object)
    if rescale is None:
        return mlp
    return library("sklearn.pipeline", "sklearn", "scikit-learn").make_pipeline(first, mlp)


def _plain_layers(net: Network) -> tuple[list[Dense], str, Rescale | None]:
    """Return the dense layers, what scikit-learn calls their activation, and the scaling of the inputs, if any."""
    names = {ours: theirs for theirs, ours in ACTIVATIONS.items()}
    dense: list[Dense] = []
    rescale = None
    for layer in layers_of(net, "scikit-learn"):
        if isinstance(layer, Rescale):
            rescale = layer
        elif isinstance(layer, Dense):
            dense.append(layer)
        elif isinstance(layer, Dropout):
            warn_of(layer.place, "scikit-learn has none: predictions are the same, but it would train without")
        elif not isinstance(layer, Activate) or layer.mix is not None:
            refuse(layer.place, "scikit-learn's MLPs have dense layers and fixed activations only")
    hidden = net.activations[:-1]
    for index, activation in enumerate(hidden):
        if activation not in names:
            refuse(f"the activation of layer {index}", f"{activation} is none of scikit-learn's: {', '.join(names)}")
        if activation != hidden[0]:
            refuse(f"the activation of layer {index}", f"{activation} after {hidden[0]}: scikit-learn has one for all")
    return dense, names[str(hidden[0])] if hidden else "identity", rescale


def _bias(layer: Dense) -> Array:
    assert layer.bias is not None  # a network of hotloop has them
    return layer.bias


def _classes(given: Any, count: int) -> Array:
    """Return the classes as an array, checked."""
    classes = np.arange(count) if given is None else np.asarray(list(given) if isinstance(given, Iterable) else given)
    if classes.shape != (count,):
        raise ValueError(f"classes must be {count} names or numbers, got {shown(given)}")
    if len(np.unique(classes)) < count:
        raise ValueError(f"classes must differ, got {shown(given)}")
    return classes


def _sort_classes(classes: Array, weights: list[Array], biases: list[Array]) -> None:
    """Put the outputs into the order in which scikit-learn has the classes, and make one of a softmax of two."""
    order = np.argsort(classes, kind="stable")
    W, b = weights[-1], biases[-1]
    if W.shape[1] > 2:
        weights[-1], biases[-1] = np.ascontiguousarray(W[:, order]), b[order]
    elif W.shape[1] == 2:  # softmax(z)[1] = 1 / (1 + exp(-(z[1] - z[0])))
        weights[-1], biases[-1] = W[:, order[1:]] - W[:, order[:1]], b[order[1:]] - b[order[:1]]
    elif order[0] == 1:
        weights[-1], biases[-1] = -W, -b


def _fill(mlp: Any, weights: list[Array], biases: list[Array]) -> None:
    """Set what scikit-learn sets before its first epoch, and these parameters."""
    sizes, outputs = [weights[0].shape[0], *(one.shape[1] for one in weights)], weights[-1].shape[1]
    mlp.n_features_in_ = sizes[0]
    mlp._random_state = np.random.RandomState(0)
    mlp._initialize(np.empty((0, outputs)), sizes, weights[0].dtype)
    mlp.coefs_, mlp.intercepts_ = weights, biases


def _standard_scaler(rescale: Rescale, n_inputs: int) -> Any:
    """Return the StandardScaler that does the same: (x - mean) / scale."""
    scaler = library("sklearn.preprocessing", "sklearn", "scikit-learn").StandardScaler()
    with np.errstate(divide="ignore"):  # by infinity, an input that is ignored
        scaler.scale_ = 1 / np.broadcast_to(np.asarray(rescale.scale, np.float64), n_inputs)
    scaler.mean_ = np.broadcast_to(np.asarray(rescale.offset, np.float64), n_inputs).copy()
    scaler.var_, scaler.n_features_in_, scaler.n_samples_seen_ = scaler.scale_**2, n_inputs, 1
    return scaler
