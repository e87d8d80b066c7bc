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
from typing import Any, NamedTuple, ParamSpec, TypeVar, overload

from hotloop.network.validation.words import MOMENTS, WORDS

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
    "PoissonNLLLoss": "poisson", "poisson_nll": "poisson", "poisson_loss": "poisson", "count:poisson": "poisson",
    "pinball_loss": "quantile", "mean_pinball_loss": "quantile", "quantile_loss": "quantile",
    "hinge": None, "squared_hinge": None, "categorical_hinge": None, "kl_divergence": None, "KLDivLoss": None,
    "focal": None, "msle": None, "gamma": None, "tweedie": None,
    "cosine_similarity": None,
}  # fmt: skip
ACTIVATIONS: dict[str, str | None] = {
    "none": "identity", "logit": "sigmoid", "hyperbolic_tangent": "tanh", "rectifier": "relu", "log_softmax": "softmax",
    "celu": None, "prelu": None, "relu6": None, "glu": None, "softsign": None,
    "hard_sigmoid": None, "hard_swish": None, "hard_tanh": None, "exp": "exponential",
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
METRICS: dict[str, str | None] = {
    "acc": "accuracy", "accuracy_score": "accuracy", "categorical_accuracy": "accuracy", "binary_accuracy": "accuracy",
    "sparse_categorical_accuracy": "accuracy", "balanced_accuracy_score": "balanced_accuracy", "auc": "roc_auc",
    "roc_auc_score": "roc_auc", "roc_auc_ovr": "roc_auc", "auroc": "roc_auc", "f1_score": "f1", "fscore": "f1",
    "precision_score": "precision", "recall_score": "recall", "sensitivity": "recall", "r2_score": "r2",
    "top_k_accuracy": "top_5_accuracy", "top_k_categorical_accuracy": "top_5_accuracy",
    "sparse_top_k_categorical_accuracy": "top_5_accuracy", "crossentropy": "log_loss", "cross_entropy": "log_loss",
    "neg_log_loss": "log_loss", "neg_mean_absolute_error": "mae", "neg_mean_squared_error": "mse",
    "neg_root_mean_squared_error": "rmse", "quantile": "pinball", "mean_pinball_loss": "pinball",
    "msle": None, "kappa": None, "cohen_kappa": None, "matthews_corrcoef": None, "mcc": None,
    "average_precision": None, "pr_auc": None, "brier_score": None, "fbeta": None, "jaccard": None, "specificity": None,
    "explained_variance": None, "max_error": None, "perplexity": None, "median_absolute_error": None,
}  # fmt: skip
NAMES = {
    "loss": LOSSES, "activation": ACTIVATIONS, "output": ACTIVATIONS, "optimizer": OPTIMIZERS,
    "initializer": INITIALIZERS, "metric": METRICS,
}  # fmt: skip

# Keyword arguments, wherever they are given; `WORDS` has those of one function.
KEYWORDS = {
    "lr": "learning_rate", "learning_rate_init": "learning_rate", "eta": "learning_rate", "alpha": "l2",
    "max_iter": "epochs", "n_epochs": "epochs", "num_epochs": "epochs", "nb_epoch": "epochs", "iterations": "epochs",
    "batchsize": "batch_size", "bs": "batch_size", "hidden_layer_sizes": "sizes", "layers": "sizes", "units": "sizes",
    "input_dim": "sizes", "input_shape": "sizes", "layer_sizes": "sizes", "activations": "activation",
    "output_activation": "output", "out_activation": "output", "criterion": "loss", "solver": "optimizer",
    "random_state": "seed", "random_seed": "seed", "rng": "seed", "validation": "validation_data",
    "val_data": "validation_data", "validation_set": "validation_data", "eval_set": "validation_data",
    "validation_fraction": "validation_split", "callback": "callbacks",
    "metric": "metrics", "scoring": "metrics", "tol": "tolerance", "pos_weight": "positive_weight",
    "sample_weights": "sample_weight",
    "class_weights": "class_weight", "smoothing": "label_smoothing",
    "min_delta": "tolerance", "n_iter_no_change": "patience", "verbose": "progress", "max_time": "max_seconds",
    "time_limit": "max_seconds", "timeout": "max_seconds",
    "n_jobs": "n_threads", "num_threads": "n_threads",
    "num_workers": "n_threads", "threads": "n_threads", "kernel_initializer": "initializer", "init": "initializer",
    "weight_init": "initializer", "kernel_regularizer": "l2", "regularization": "l2", "dropout_rate": "dropout",
    "p": "dropout", "precision": "dtype", "beta_1": "beta1", "beta_2": "beta2", "betas": "beta1", "eps": "epsilon",
    "nesterovs_momentum": "nesterov", "clipnorm": "clip_norm", "global_clipnorm": "clip_norm",
    "max_grad_norm": "clip_norm", "grad_clip": "clip_norm", "gradient_clip_val": "clip_norm", "clipvalue": "clip_value",
    "kernel_constraint": "max_norm", "lr_mult": "learning_rate_factors", "param_groups": "learning_rate_factors",
    "decay": "weight_decay", "inputs": "X", "x": "X", "data": "X", "targets": "y",
    "labels": "y", "Y": "y", "resume_from_checkpoint": "resume", "ckpt_path": "resume", "resume_from": "resume",
    "initial_epoch": "resume", "checkpoint_path": "checkpoint", "checkpoint_dir": "checkpoint",
    "backup_dir": "checkpoint", "save_freq": "every", "save_steps": "every",
}  # fmt: skip
NOTES = {
    "warm_start": "fit always continues training the network.",
    "device": "hotloop runs on the CPU.",
    "bias": "Every layer has a bias.",
    "use_bias": "Every layer has a bias.",
    "early_stopping": "Give fit callbacks=[EarlyStopping()], and validation_split=0.1 or validation_data.",
    "restore_best_weights": "Give fit callbacks=[EarlyStopping()]: it keeps the best parameters.",
    "hidden_layer_sizes": "It has the inputs and the outputs too, such as [64, 100, 10].",
    "units": "It has the inputs and the outputs too, such as [64, 100, 10].",
    "initial_epoch": "Epochs are counted over all fits.",
    "betas": "beta1 and beta2 are two arguments.",
    "clip_norm": "Give it to the optimizer: fit(..., optimizer=Adam(clip_norm=1.0)).",
    "clipnorm": "hotloop's is the norm over all parameters together.",
    "learning_rate": "Give it to the optimizer: fit(..., optimizer=Adam(learning_rate=0.01)).",
    "scheduler": "Give a schedule to the optimizer: SGD(learning_rate=hotloop.schedules.Cosine(0.1)).",
    "lr_scheduler": "Give a schedule to the optimizer: SGD(learning_rate=hotloop.schedules.Cosine(0.1)).",
    "power_t": "Give a schedule to the optimizer: SGD(learning_rate=hotloop.schedules.InverseScaling(0.1)).",
}
HOMES: dict[str, list[str]] = {}  # for each keyword argument, the functions that take it; `explains_keywords` fills it
# Those that a message names first, and last.
PLACES = {"Network.fit": -1, "Network.find_learning_rate": 1, "Network.fit_one_cycle": 1}

OF_MANY = {"Schedule", "metric"}  # kinds whose words are those of many, so that they are no home
ESTIMATORS = {"mlp", "tabular", "tabular fit", "Recipe"}  # kinds with words of their own, besides the network's


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


def moment_for(method: str, moments: Iterable[str]) -> str | None:
    """Return the moment that a method of a callback is meant for, "" if none is known; None for any other method."""
    moments = list(moments)
    if method in moments or method.startswith("_"):
        return None
    if method in MOMENTS:
        return MOMENTS[method]
    folded = {_folded(ours): ours for ours in moments}
    begins = method.startswith("on_")
    close = difflib.get_close_matches(_folded(method), folded, 1, 0.6 if begins else 0.85)
    return folded[close[0]] if close else "" if begins else None


class _Function(NamedTuple):
    """A function, or a class that is called, as its users know it."""

    name: str
    accepted: frozenset[str]
    kinds: tuple[str, ...]  # under which `WORDS` has words for it
    passes_on: bool  # what it does not know, to `Network.fit`

    def explained(self, keyword: str) -> str | None:
        """Return the message for a keyword argument that it lacks, None if it is to be passed on."""
        text = f"{self.name}() got an unexpected keyword argument {keyword!r}."
        for theirs in (WORDS.get(kind, {}) for kind in self.kinds):
            if (found := theirs.get(keyword)) in self.accepted:
                return f"{text} Did you mean {found!r}?"
            if found is not None and not found.isidentifier():
                return f"{text} {found}"
        ours, note = KEYWORDS.get(keyword, keyword), NOTES.get(keyword)
        if ESTIMATORS.intersection(self.kinds):  # what the network's functions take is of no use here
            close = difflib.get_close_matches(keyword, self.accepted, 1)
            return f"{text} Did you mean {close[0]!r}?" if close else text
        if self.passes_on and ours not in self.accepted:
            return None
        if ours in self.accepted:
            text += f" Did you mean {ours!r}?"
        elif ours in HOMES:
            *others, last = sorted(HOMES[ours], key=lambda name: PLACES.get(name, 0))
            text += f" {ours!r} is an argument of {' and '.join(filter(None, (', '.join(others), last)))}."
            note = note or NOTES.get(ours)
        elif note is None and (close := difflib.get_close_matches(keyword, self.accepted, 1)):
            text += f" Did you mean {close[0]!r}?"
        return text if note is None else f"{text} {note}"


@overload
def explains_keywords(function: Callable[P, R], /) -> Callable[P, R]: ...


@overload
def explains_keywords(
    *, owner: str | None = None, kind: str | None = None
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...


def explains_keywords(function: Any = None, /, *, owner: str | None = None, kind: str | None = None) -> Any:
    """Decorate a function so that a keyword argument that it lacks is explained; too slow for a call per row.

    Parameters
    ----------
    function : callable
    owner : str, optional
        The class to which users know that it belongs, where it is another than that in which it is written: errors,
        Python's own too, call it a method of that.
    kind : str, optional
        What it is, under which `WORDS` has words that it shares with others.
    """
    if function is None:
        return functools.partial(_explaining, kinds=() if kind is None else (kind,), owner=owner)
    return _explaining(function)


def explains_its_keywords(kind: Class) -> Class:
    """Decorate a class so that its constructor explains a keyword argument that it lacks."""
    kinds = tuple(base.__name__ for base in kind.__mro__[1:])
    kind.__init__ = _explaining(kind.__init__, kinds)  # type: ignore[misc]
    return kind


def _explaining(function: Any, kinds: tuple[str, ...] = (), owner: str | None = None) -> Any:
    parameters = inspect.signature(function).parameters
    options = [name for name, parameter in parameters.items() if parameter.kind is parameter.VAR_KEYWORD]
    if owner is not None:
        function.__qualname__ = f"{owner}.{function.__name__}"
    name = function.__qualname__.removesuffix(".__init__")
    explained = _Function(name, frozenset(parameters) - {"self", "cls", *options}, (name, *kinds), bool(options))
    accepted = explained.accepted
    if not (OF_MANY | ESTIMATORS).intersection(explained.kinds):
        for keyword in accepted:
            HOMES.setdefault(keyword, []).append(name)

    @functools.wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        if not kwargs.keys() <= accepted:
            for keyword in kwargs:
                if keyword not in accepted and (message := explained.explained(keyword)) is not None:
                    raise TypeError(message)
        return function(*args, **kwargs)

    return checked
