"""What other libraries call things, for the hints of error messages: these names are explained, not accepted.

A name that means exactly the same as one of hotloop's is accepted, and stands in the `aliases` of its row. Names are
compared without case, underscores and hyphens, so "ReLU" and "leakyReLU" need no line here. None says that hotloop has
nothing of the kind: then no name that merely looks alike is suggested.
"""

import difflib
import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
Class = TypeVar("Class", bound=type)
NO_ALIASES: Mapping[str, str] = MappingProxyType({})

# Keras, PyTorch, scikit-learn and JAX: names of losses, activations, optimizers and initial weights.
LOSSES: dict[str, str | None] = {
    "CrossEntropyLoss": "cross_entropy", "softmax_cross_entropy": "cross_entropy", "NLLLoss": "cross_entropy",
    "nll": "cross_entropy", "log_loss": "cross_entropy", "ce": "cross_entropy",
    "BCELoss": "binary_cross_entropy", "BCEWithLogitsLoss": "binary_cross_entropy",
    "sigmoid_cross_entropy": "binary_cross_entropy",
    "squared_error": "mse", "MSELoss": "mse", "l2": "mse", "l2_loss": "mse", "rmse": "mse",  # some of them halve it
    "L1Loss": "mae", "l1": "mae", "HuberLoss": "huber", "SmoothL1Loss": "huber", "smooth_l1": "huber",
    "hinge": None, "squared_hinge": None, "categorical_hinge": None, "poisson": None, "kl_divergence": None,
    "KLDivLoss": None, "log_cosh": None, "focal": None, "quantile": None, "msle": None,
    "cosine_similarity": None,
}  # fmt: skip
ACTIVATIONS: dict[str, str | None] = {
    "none": "identity", "logit": "sigmoid", "hyperbolic_tangent": "tanh", "rectifier": "relu", "log_softmax": "softmax",
    "selu": None, "celu": None, "prelu": None, "relu6": None, "mish": None, "glu": None, "softsign": None,
    "hard_sigmoid": None, "hard_swish": None, "hard_tanh": None, "exponential": None,
}  # fmt: skip
OPTIMIZERS: dict[str, str | None] = {
    "gradient_descent": "sgd", "gd": "sgd", "momentum": "sgd", "nesterov": "sgd", "lbfgs": None, "nadam": None,
    "adamax": None, "adadelta": None, "radam": None, "rprop": None, "ftrl": None, "lion": None, "adafactor": None,
}  # fmt: skip
INITIALIZERS: dict[str, str | None] = {
    "xavier": "glorot_uniform", "glorot": "glorot_uniform", "kaiming": "he_normal", "he": "he_normal",
    "lecun": "lecun_normal", "random_normal": "normal", "truncated_normal": "normal", "gaussian": "normal",
    "zero": "zeros", "ones": None, "constant": None, "identity": None, "random_uniform": None,
}  # fmt: skip
NAMES = {
    "loss": LOSSES, "activation": ACTIVATIONS, "output": ACTIVATIONS, "optimizer": OPTIMIZERS,
    "initializer": INITIALIZERS,
}  # fmt: skip

# Keyword arguments.
KEYWORDS = {
    "lr": "learning_rate", "learning_rate_init": "learning_rate", "eta": "learning_rate", "alpha": "l2",
    "max_iter": "epochs", "n_epochs": "epochs", "num_epochs": "epochs", "nb_epoch": "epochs", "iterations": "epochs",
    "batchsize": "batch_size", "bs": "batch_size", "hidden_layer_sizes": "sizes", "layers": "sizes", "units": "sizes",
    "input_dim": "sizes", "input_shape": "sizes", "layer_sizes": "sizes", "activations": "activation",
    "output_activation": "output", "out_activation": "output", "criterion": "loss", "solver": "optimizer",
    "random_state": "seed", "random_seed": "seed", "rng": "seed", "validation": "validation_data",
    "val_data": "validation_data", "validation_set": "validation_data", "eval_set": "validation_data",
    "validation_split": "validation_data", "validation_fraction": "validation_data", "callback": "callbacks",
    "tol": "tolerance",
    "min_delta": "tolerance", "early_stopping": "tolerance", "n_iter_no_change": "patience", "verbose": "progress",
    "n_jobs": "n_threads", "num_threads": "n_threads",
    "num_workers": "n_threads", "threads": "n_threads", "kernel_initializer": "initializer", "init": "initializer",
    "weight_init": "initializer", "kernel_regularizer": "l2", "regularization": "l2", "dropout_rate": "dropout",
    "p": "dropout", "precision": "dtype", "beta_1": "beta1", "beta_2": "beta2", "betas": "beta1", "eps": "epsilon",
    "nesterovs_momentum": "nesterov", "decay": "weight_decay", "inputs": "X", "x": "X", "data": "X", "targets": "y",
    "labels": "y", "Y": "y", "resume_from_checkpoint": "resume", "ckpt_path": "resume", "resume_from": "resume",
    "initial_epoch": "resume", "checkpoint_path": "checkpoint", "checkpoint_dir": "checkpoint",
    "backup_dir": "checkpoint", "save_freq": "every", "save_steps": "every",
}  # fmt: skip
NOTES = {
    "metrics": "evaluate and the History of a fit always have the accuracy or the R^2.",
    "class_weight": "hotloop does not weight classes.",
    "sample_weight": "hotloop does not weight samples.",
    "warm_start": "fit always continues training the network.",
    "device": "hotloop runs on the CPU.",
    "bias": "Every layer has a bias.",
    "use_bias": "Every layer has a bias.",
    "validation_split": "It takes a pair (X, y) that you have split off.",
    "validation_fraction": "It takes a pair (X, y) that you have split off.",
    "early_stopping": "A fit with a tolerance stops when nothing has improved for `patience` epochs.",
    "hidden_layer_sizes": "It has the inputs and the outputs too, such as [64, 100, 10].",
    "units": "It has the inputs and the outputs too, such as [64, 100, 10].",
    "initial_epoch": "Epochs are counted over all fits.",
    "betas": "beta1 and beta2 are two arguments.",
    "learning_rate": "Give it to the optimizer: fit(..., optimizer=Adam(learning_rate=0.01)).",
}
HOMES: dict[str, list[str]] = {}  # for each keyword argument, the functions that take it; `explains_keywords` fills it


def _folded(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "").replace(" ", "")


def hint(argument: str, name: str, known: Iterable[str], aliases: Mapping[str, str] = NO_ALIASES) -> str:
    """Return " Did you mean ...?" for a name that is not known, or "" if nothing comes near."""
    known = list(known)
    accepted = {**aliases, **{ours: ours for ours in known}}
    names: dict[str, str | None] = {_folded(theirs): ours for theirs, ours in NAMES.get(argument, {}).items()}
    names |= {_folded(theirs): ours for theirs, ours in accepted.items()}
    folded = _folded(name)
    if folded in names:
        ours = names[folded]
        return f" Did you mean {ours!r}?" if ours in known else " hotloop has nothing of that name."
    close = difflib.get_close_matches(name.lower(), accepted, 1)
    return f" Did you mean {accepted[close[0]]!r}?" if close else ""


def _explained(function: str, keyword: str, accepted: frozenset[str]) -> str:
    """Return the message for a keyword argument that the function does not have."""
    text = f"{function}() got an unexpected keyword argument {keyword!r}."
    ours, note = KEYWORDS.get(keyword, keyword), NOTES.get(keyword)
    if ours in accepted:
        text += f" Did you mean {ours!r}?"
    elif ours in HOMES:
        *others, last = HOMES[ours]
        text += f" {ours!r} is an argument of {' and '.join(filter(None, (', '.join(others), last)))}."
        note = note or NOTES.get(ours)
    elif note is None and (close := difflib.get_close_matches(keyword, accepted, 1)):
        text += f" Did you mean {close[0]!r}?"
    return text if note is None else f"{text} {note}"


def explains_keywords(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function so that a keyword argument that it lacks is explained; too slow for a call per row."""
    accepted = frozenset(inspect.signature(function).parameters)
    name = function.__qualname__.removesuffix(".__init__").replace("Trainable.", "Network.")  # which inherits it
    for keyword in accepted:
        HOMES.setdefault(keyword, []).append(name)

    @functools.wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        if not kwargs.keys() <= accepted:
            raise TypeError(_explained(name, next(word for word in kwargs if word not in accepted), accepted))
        return function(*args, **kwargs)

    return checked


def explains_its_keywords(kind: Class) -> Class:
    """Decorate a class so that its constructor explains a keyword argument that it lacks."""
    kind.__init__ = explains_keywords(kind.__init__)  # type: ignore[misc]
    return kind
