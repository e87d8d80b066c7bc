"""Networks to and from JAX: parameters as a list of (W, b), and a pure function that applies them."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from hotloop.network.activations import Activation, known_activation
from hotloop.network.interchange.layers import (
    Activate,
    Dense,
    Dropout,
    InputScale,
    Layer,
    LayerNorm,
    Layers,
    Rescale,
    elu,
    formula_of,
    layers_of,
    leaky_relu,
    network_of,
    parameter,
    refuse,
    warn_of,
)
from hotloop.network.interchange.libraries import library
from hotloop.network.losses import checked_loss, loss_of
from hotloop.network.network import Network
from hotloop.network.validation.arguments import per_layer
from hotloop.network.validation.printable import shown

# In jax.nn, in both directions; gelu, the exact one, and exponential are `function_of`'s.
PLAIN = ("identity", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "selu", "silu", "mish", "softplus", "softmax")
KEYS = ("weights", "bias", "gain", "shift", "mix")  # of a layer with more than (W, b)
Step: TypeAlias = Callable[[Any, Any], Any]  # of what is learnt, and the input


def to_jax(net: Network, *, logits: bool = False) -> tuple[list[Any], Step]:
    """Return a network's parameters, and a function that applies them in JAX.

    Parameters
    ----------
    net : Network
    logits : bool, default False
        Whether to leave out the output activation, for a loss of logits, such as those of optax.

    Returns
    -------
    parameters : list
        A tuple (W, b) for each layer, W (fan_in, fan_out). If the network learns more, each layer is a dict with the
        keys weights, bias, and as it has them gain, shift and mix; the first may have input_scale.
    apply : callable
        apply(parameters, x), for rows x (..., inputs): a pure function, to be transformed by `jax.jit`, `jax.grad` and
        `jax.vmap`. It gives the outputs of `Network.predict`: the scaling of the inputs is in it, dropout is not.

    Raises
    ------
    ValueError
        If the network has float64 and JAX has not: ``jax.config.update("jax_enable_x64", True)``. If an activation is
        your own.

    Warns
    -----
    InterchangeWarning
        Of dropout.

    Examples
    --------
    >>> from hotloop import Network
    >>> from hotloop.interchange import to_jax
    >>> net = Network([4, 8, 3], loss="cross_entropy", seed=0)
    >>> parameters, apply = to_jax(net)
    >>> [(W.shape, b.shape) for W, b in parameters]
    [((4, 8), (8,)), ((8, 3), (3,))]
    >>> apply(parameters, [[0.1, 0.2, 0.3, 0.4]]).shape
    (1, 3)
    """
    jax = library("jax", "jax", "JAX")
    layers = layers_of(net, "JAX", logits=logits)
    check_dtype(jax, net.dtype)
    scaled = scaling(jax, layers[0] if isinstance(layers[0], Rescale) else None, net.dtype)
    found: list[dict[str, Any]] = [{} for layer in layers if isinstance(layer, Dense)]
    steps: list[tuple[int, Step]] = []
    index = -1
    for layer in layers:
        index += isinstance(layer, Dense)
        if isinstance(layer, Dropout):
            warn_of(layer.place, "apply has none: the outputs are the same, but training in JAX goes without")
        elif not isinstance(layer, Rescale):
            own, step = _step(jax, layer)
            found[max(index, 0)].update({name: jax.numpy.asarray(value) for name, value in own.items()})
            steps.append((max(index, 0), step))

    def apply(parameters: Any, x: Any) -> Any:
        """Return the outputs of the network with these parameters, for rows x (..., inputs)."""
        each = [layer if isinstance(layer, Mapping) else dict(zip(KEYS, layer, strict=False)) for layer in parameters]
        x = scaled(x)
        for index, step in steps:
            x = step(each[index], x)
        return x

    plain = all(layer.keys() == {"weights", "bias"} for layer in found)
    return [tuple(layer.values()) if plain else layer for layer in found], apply


def _step(jax: Any, layer: Layer) -> tuple[dict[str, Any], Step]:
    """Return what a layer learns, and a function of that and its input."""
    if isinstance(layer, InputScale):
        return {"input_scale": layer.scale}, lambda own, x: own["input_scale"] * x
    if isinstance(layer, Dense):
        return {"weights": layer.weights, "bias": layer.bias}, lambda own, x: x @ own["weights"] + own["bias"]
    if isinstance(layer, LayerNorm):
        epsilon = layer.epsilon

        def normalise(own: Any, z: Any) -> Any:
            centred = z - z.mean(-1, keepdims=True)
            variance = (centred * centred).mean(-1, keepdims=True)
            return own["gain"] * centred / jax.numpy.sqrt(variance + epsilon) + own["shift"]

        return {"gain": layer.gain, "shift": layer.shift}, normalise
    assert isinstance(layer, Activate)
    function = function_of(jax, layer)
    if layer.mix is None:
        return {}, lambda own, z: function(z)
    return {"mix": layer.mix}, lambda own, z: (1 - own["mix"]) * z + own["mix"] * function(z)


def from_jax(
    parameters: Sequence[Any],
    activation: Any = "relu",
    *,
    output: Any = None,
    loss: Any = None,
    dtype: Any = None,
    **arguments: Any,
) -> Network:
    """Return the network of parameters as `to_jax` returns them: a list of (W, b), or of dicts.

    Parameters
    ----------
    parameters : sequence
        For each layer a tuple (W, b), W (fan_in, fan_out), or a dict with the keys weights, bias, and as the layer has
        them gain, shift and mix; the first may have input_scale. Arrays of JAX or NumPy, float32 or float64.
    activation : str, Activation, function of jax.nn, or sequence of them, default "relu"
        Of the hidden layers, one for all or one for each.
    output : str, Activation or function of jax.nn, optional
        Of the last layer, in the same way. The default follows the loss, as in `Network`; without a loss, identity.
    loss, dtype
        As of `Network`. By default the loss follows the output, and the dtype that of the parameters.
    **arguments
        Others of `Network`: ``dropout``, ``input_offset``, ``layer_norm_epsilon``, ... They are not in the parameters:
        an epsilon other than `Network`'s must be given again.

    Returns
    -------
    Network

    Raises
    ------
    ValueError
        If the parameters are not of such a form.

    Examples
    --------
    >>> import numpy as np
    >>> from hotloop.interchange import from_jax
    >>> net = from_jax([(np.ones((2, 3)), np.zeros(3)), (np.ones((3, 1)), np.zeros(1))], "tanh")
    >>> net.predict([[1.0, 1.0]]).round(4).tolist(), net.loss
    ([[2.8921]], 'mse')
    """
    if isinstance(parameters, (str, Mapping)) or not isinstance(parameters, Sequence) or not parameters:
        raise TypeError(f"parameters must be a list with a (W, b) for each layer, got {shown(parameters)}")
    layers: Layers = []
    hidden = hidden_activations(activation, len(parameters) - 1)
    for index, given in enumerate(parameters):
        own = _checked(f"layer {index}", given)
        if "input_scale" in own:
            layers.append(InputScale(own["input_scale"], place=f"input_scale of layer {index}"))
        layers.append(Dense(own["weights"], own.get("bias"), place=f"layer {index}"))
        if "gain" in own or "shift" in own:
            layers.append(
                LayerNorm(own.get("gain"), own.get("shift"), place=f"the layer normalisation of layer {index}")
            )
        chosen = hidden[index] if index < len(hidden) else output_of(output, loss)
        layers.append(Activate(chosen, own.get("mix"), place=f"the activation of layer {index}"))
    return network_of(layers, "the list of parameters", loss=loss, dtype=dtype, **arguments)


def _checked(place: str, given: Any) -> dict[str, Any]:
    """Return the parameters of a layer by their names."""
    if isinstance(given, Mapping):
        if "weights" not in given or not set(given) <= {*KEYS, "input_scale"}:
            wanted, found = ", ".join(KEYS), ", ".join(map(str, given))
            refuse(place, f"has the keys {found}; wanted {wanted} and, in the first layer, input_scale")
        entries = dict(given)
    elif isinstance(given, (tuple, list)) and len(given) == 2:
        entries = {"weights": given[0], "bias": given[1]}
    else:
        refuse(place, f"wanted a tuple (W, b) or a dict, got {shown(given)}")
    weights = parameter(place, "weights", entries["weights"], (None, None))
    fan_in, fan_out = weights.shape
    sizes = {"input_scale": fan_in}
    return {
        name: parameter(place, name, value, (sizes.get(name, fan_out),)) if name != "weights" else weights
        for name, value in entries.items()
        if value is not None
    }


# What JAX's libraries share: dtypes, the scaling of the inputs, activations.


def check_dtype(jax: Any, dtype: Any) -> None:
    """Raise unless JAX has numbers of this dtype."""
    if jax.dtypes.canonicalize_dtype(dtype) != dtype:
        raise ValueError(
            f'the network has {dtype}, and JAX has not: first jax.config.update("jax_enable_x64", True), or '
            "make a network of float32"
        )


def scaling(jax: Any, rescale: Rescale | None, dtype: Any) -> Callable[[Any], Any]:
    """Return a function that makes rows x what the first layer takes.

    A year in float32 loses digits if 2000.1 is first rounded to float32. Where JAX has no float64, what is lost in the
    rounding is subtracted too, behind a barrier: XLA would add the two constants.
    """
    jnp = jax.numpy
    if rescale is None:
        return lambda x: jnp.asarray(x).astype(dtype)
    offset, scale = np.asarray(rescale.offset, np.float64), np.asarray(rescale.scale, np.float64)

    def scaled(x: Any) -> Any:
        wide = jax.dtypes.canonicalize_dtype(np.float64)
        high = offset.astype(wide)
        low = (offset - high).astype(wide)
        centred = jax.lax.optimization_barrier(jnp.asarray(x).astype(wide) - high) - low
        return (scale.astype(wide) * centred).astype(dtype)

    return scaled


def function_of(jax: Any, layer: Activate) -> Callable[[Any], Any]:
    """Return an activation as a function of JAX."""
    row = formula_of(layer, "JAX")
    if row.name == "exponential":
        return partial(jax.numpy.exp)
    options: dict[str, dict[str, Any]] = {
        "gelu": {"approximate": False},
        "leaky_relu": {"negative_slope": row.slopes[1]},
        "elu": {"alpha": row.slopes[1]},
    }
    return partial(getattr(jax.nn, row.name), **options.get(row.name, {}))


def activation_of(argument: str, value: Any) -> str | Activation:
    """Return an activation that is a name, one of hotloop, or a function of jax.nn, known by its identity."""
    if not callable(value) or isinstance(value, type):
        return known_activation(argument, value)
    jax = library("jax", "jax", "JAX")
    function, options = (value.func, value.keywords) if isinstance(value, partial) and not value.args else (value, {})
    name = next((name for name in PLAIN if getattr(jax.nn, name) is function), None)
    if name == "leaky_relu" and options.keys() <= {"negative_slope"}:
        return leaky_relu(float(options.get("negative_slope", 0.01)))
    if name == "elu" and options.keys() <= {"alpha"}:
        return elu(float(options.get("alpha", 1.0)))
    if name is not None and not options:
        return name
    if function is jax.nn.gelu and options == {"approximate": False}:
        return "gelu"
    if function is jax.nn.gelu:
        refuse(argument, "jax.nn.gelu approximates; wanted functools.partial(jax.nn.gelu, approximate=False)")
    if function is jax.numpy.exp and not options:
        return "exponential"
    refuse(argument, f"{shown(value)} is not a function of jax.nn that hotloop has: {', '.join(PLAIN)}")


def hidden_activations(activation: Any, count: int) -> list[str | Activation]:
    """Return the activation of each hidden layer."""
    return per_layer("activation", activation, count, lambda value: activation_of("activation", value))


def output_of(output: Any, loss: Any) -> str | Activation:
    """Return the output activation: by default that of the loss, or identity."""
    if output is not None:
        return activation_of("output", output)
    return "identity" if loss is None else loss_of(checked_loss(loss)).output
