"""The loss that a Keras model is compiled with, as hotloop has it."""

from typing import Any

from hotloop.network.activations import Activation, row_of
from hotloop.network.interchange.layers import warn_of
from hotloop.network.losses import Huber, Loss, loss_of

# Keras's functions, and the classes over them.
LOSSES_OF_KERAS = {
    "mean_squared_error": "mse", "mean_absolute_error": "mae", "huber": "huber", "log_cosh": "log_cosh",
    "poisson": "poisson", "binary_crossentropy": "binary_cross_entropy", "categorical_crossentropy": "cross_entropy",
    "sparse_categorical_crossentropy": "cross_entropy",
}  # fmt: skip
MEANS = ("sum_over_batch_size", "mean", "mean_with_sample_weight")


def compiled_loss(keras: Any, model: Any, last: str | Activation) -> tuple[str | Loss | None, float]:
    """Return the loss of a compiled model and its label smoothing; None, after a warning, if hotloop has not the same.

    Parameters
    ----------
    keras : module
    model : keras.Model
    last : str or Activation
        Its last activation.
    """
    for name in ("compute_loss", "train_step"):
        if name in vars(model):
            warn_of("the model", f"its {name} was replaced by a function of your own, which hotloop does not train by")
    given = model.loss if model.compiled else None
    if isinstance(given, list | tuple | dict) and len(given) == 1:
        (given,) = given.values() if isinstance(given, dict) else given
    if given is None:
        return None, 0.0
    loss, smoothing, from_logits = _read(keras, given)
    if loss is None:
        warn_of("the compiled loss", f"hotloop has no {given!r}; say with loss= which one to train with")
        return None, 0.0
    row = loss_of(loss)
    expected = "identity" if from_logits else row.output
    if row.from_logits and row_of(last).name != expected:
        warn_of(
            "the compiled loss",
            f"{row.name} of {'logits' if from_logits else 'probabilities or rates'}, after {row_of(last).name}; "
            "hotloop has no such pair, and takes the loss that follows the last activation: say which with loss=",
        )
        return None, 0.0
    _check_weights(model._compile_config.config["loss_weights"])
    return loss, smoothing


def _check_weights(weights: Any) -> None:
    """Warn of a factor before the loss, by which penalties and gradients weigh otherwise."""
    values = (
        weights.values() if isinstance(weights, dict) else weights if isinstance(weights, list | tuple) else [weights]
    )
    if any(one not in (None, 1) for one in values):
        warn_of("the compiled loss", f"loss_weights={weights!r} is left out: hotloop does not multiply its loss")


def _read(keras: Any, given: Any) -> tuple[str | Loss | None, float, bool]:
    """Return the loss, the label smoothing, and whether it takes logits."""
    found = keras.losses.get(given)
    function, config = getattr(found, "fn", found), {}
    if isinstance(found, keras.losses.Loss):
        config = found.get_config() | getattr(found, "_fn_kwargs", {})  # Huber's delta is in the second only
        if not type(found).__module__.startswith("keras."):
            return None, 0.0, False
    name = getattr(function, "__name__", "")
    known = getattr(keras.losses, name, None) is function and name in LOSSES_OF_KERAS
    plain = (
        config.get("reduction", MEANS[0]) in MEANS
        and config.get("axis", -1) == -1
        and config.get("ignore_class") is None
    )
    if not known or not plain:
        return None, 0.0, False
    loss: str | Loss = Huber(config["delta"]) if config.get("delta", 1) != 1 else LOSSES_OF_KERAS[name]
    return loss, float(config.get("label_smoothing", 0)), bool(config.get("from_logits", False))
