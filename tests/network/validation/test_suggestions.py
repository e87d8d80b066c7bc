"""Hints for those who come from other libraries: the right name for theirs, and never a wrong one."""

import inspect
from itertools import chain

import numpy as np
import pytest

from hotloop import SGD, Adam, AdamW, Network
from hotloop.network.activations import ACTIVATIONS
from hotloop.network.initializers import INITIALIZERS
from hotloop.network.losses import LOSSES
from hotloop.network.metrics.named import METRICS
from hotloop.network.training.optimizers import OPTIMIZERS
from hotloop.network.validation import suggestions as words
from hotloop.network.validation.arguments import aliases_of

KNOWN = {"loss": LOSSES, "activation": ACTIVATIONS, "output": ACTIVATIONS, "optimizer": OPTIMIZERS,
         "initializer": INITIALIZERS, "metric": METRICS}  # fmt: skip
X, y = np.zeros((6, 2)), np.arange(6) % 3


def test_every_hint_is_a_name_of_ours():
    for argument, theirs in words.NAMES.items():
        assert {ours for ours in theirs.values() if ours is not None} <= set(KNOWN[argument])
        assert not set(theirs) & {*KNOWN[argument], *aliases_of(KNOWN[argument])}
    parameters = [
        inspect.signature(function).parameters
        for function in (
            Network,
            Network.fit,
            Network.check_gradients,
            Network.find_learning_rate,
            *OPTIMIZERS.values(),
        )
    ]
    assert set(words.KEYWORDS.values()) | set(words.HOMES) <= set(chain.from_iterable(parameters))
    assert not set(words.KEYWORDS) & set(words.HOMES)


ALIASES = [
    (argument, alias, ours)
    for argument in ("loss", "activation", "output", "initializer")
    for alias, ours in aliases_of(KNOWN[argument]).items()
]


@pytest.mark.parametrize(("argument", "alias", "ours"), ALIASES)
def test_other_names_of_the_same_are_accepted(argument, alias, ours):
    """The network knows only the name that hotloop has, so that a file, a picture or a table never sees the other."""
    given, wanted = (Network([2, 4, 3], **{argument: name}, seed=0) for name in (alias, ours))
    assert repr(given) == repr(wanted)
    np.testing.assert_array_equal(given.parameters, wanted.parameters)
    assert alias not in KNOWN[argument]


def test_the_names_that_people_try_first():
    names = {alias for _, alias, _ in ALIASES}
    assert names >= {"logistic", "linear", "swish", "mean_squared_error", "binary_crossentropy", "xavier_uniform"}


@pytest.mark.parametrize(("argument", "theirs", "ours"), [
    ("loss", "CategoricalCrossentropy", "cross_entropy"), ("loss", "CrossEntropyLoss", "cross_entropy"),
    ("loss", "MSELoss", "mse"), ("loss", "MSE", "mse"), ("loss", "cros_entropy", "cross_entropy"),
    ("loss", "squared_error", "mse"), ("activation", "ReLU", "relu"), ("activation", "LeakyReLU", "leaky_relu"),
    ("activation", "Swish", "silu"), ("output", "Linear", "identity"),
    ("initializer", "XavierNormal", "glorot_normal"), ("initializer", "HeNormal", "he_normal"),
    # A slip in an alias.
    ("activation", "logistc", "sigmoid"), ("activation", "swishh", "silu"), ("output", "liner", "identity"),
    ("loss", "categorical_crosentropy", "cross_entropy"), ("loss", "mean_square_error", "mse"),
    ("initializer", "kaming_normal", "he_normal"), ("initializer", "xavier_unifrom", "glorot_uniform"),
])  # fmt: skip
def test_names_of_other_libraries(argument, theirs, ours):
    with pytest.raises(ValueError, match=rf"{theirs}' is not known. Did you mean '{ours}'\?"):
        Network([2, 4, 3], **{argument: theirs})


@pytest.mark.parametrize(("argument", "theirs"), [("loss", "hinge"), ("activation", "celu"), ("initializer", "ones")])
def test_what_merely_looks_alike_is_not_suggested(argument, theirs):
    with pytest.raises(ValueError, match=f"{theirs}' is not known. hotloop has nothing of that name. Known:"):
        Network([2, 4, 3], **{argument: theirs})


def test_optimizers():
    net = Network([2, 3], seed=0)
    with pytest.raises(ValueError, match=r"Did you mean 'adam'\?"):
        net.fit(X, y, optimizer="Adam")
    with pytest.raises(TypeError, match=r"make one: Adam\(\)"):
        net.fit(X, y, optimizer=Adam)


def test_modules_and_classes_in_place_of_names():
    class ReLU:
        """As torch.nn has it."""

    for given in (ReLU, ReLU()):
        with pytest.raises(TypeError, match=r"must be a name .* Did you mean 'relu'\?"):
            Network([2, 4, 3], given)
    with pytest.raises(TypeError, match=r"got 5\.$"):
        Network([2, 4, 3], 5)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: Network(hidden_layer_sizes=(5,)), r"Did you mean 'sizes'\? It has the inputs and the outputs too"),
    (lambda: Network([2, 3], random_state=0), r"Did you mean 'seed'\?"),
    (lambda: Network([2, 3], lr=0.1), "'learning_rate' is an argument of SGD, RMSprop, Adagrad, Adam and AdamW. Give"),
    (lambda: Network([2, 3], seeed=1), r"Did you mean 'seed'\?"),
    (lambda: Network([2, 3]).fit(X, y, lr=0.1), r"fit\(..., optimizer=Adam\(learning_rate=0.01\)\)\.$"),
    (lambda: Network([2, 3], metrics=["mae"]), "'metrics' is an argument of Network.fit and Network.evaluate"),
    (lambda: Network([2, 3]).fit(X, y, scoring="mae"), r"Did you mean 'metrics'\?"),
    (lambda: Network([2, 3]).fit(X, y, validation=(X, y)), r"Did you mean 'validation_data'\?"),
    (lambda: Network([2, 3]).fit(X, y, validation_fraction=0.1), r"Did you mean 'validation_split'\?"),
    (lambda: Network([2, 3]).fit(X, y, early_stopping=True), r"Give fit callbacks=\[EarlyStopping\(\)\], and vali"),
    (lambda: Network([2, 3]).fit(X, y, restore_best_weights=True), r"EarlyStopping\(\)\]: it keeps the best"),
    (lambda: Network([2, 3]).fit(X, y, time_limit=3), r"Did you mean 'max_seconds'\?"),
    (lambda: Network([2, 3]).evaluate(X, y, callbacks=[]), "'callbacks' is an argument of Network.fit"),
    (lambda: Network([2, 3]).fit(X, y, max_iter=3), r"Did you mean 'epochs'\?"),
    (lambda: Network([2, 3]).fit(X, y, alpha=3), "'l2' is an argument of Network."),
    (lambda: Network([2, 3]).evaluate(X, y, batch_size=3),
     "'batch_size' is an argument of Network.find_learning_rate and Network.fit.$"),
    (lambda: Adam(lr=0.1), r"Adam\(\) got an unexpected keyword argument 'lr'. Did you mean 'learning_rate'\?"),
    (lambda: AdamW(eps=0.1), r"Did you mean 'epsilon'\?"),
    (lambda: Adam(momentum=0.1), "'momentum' is an argument of SGD"),
    (lambda: Network([2, 3]).fit(X, y, qqq=1), "unexpected keyword argument 'qqq'.$"),
])  # fmt: skip
def test_keywords_of_other_libraries(call, message):
    with pytest.raises(TypeError, match=message):
        call()


def test_signatures_stay():
    assert list(inspect.signature(SGD).parameters) == [
        "learning_rate", "momentum", "nesterov", "clip_value", "clip_norm", "learning_rate_factors",
        "weight_decay_factors",
    ]  # fmt: skip
    assert "epochs" in inspect.signature(Network.fit).parameters
    assert Network.fit.__doc__.startswith("Train by gradient descent")


@pytest.mark.parametrize(("targets", "hint"), [
    (y, True), (y.astype(float), True), (y + 1, False), (y / 2, False), (y - 1.0, False), (np.full(6, np.nan), False),
])  # fmt: skip
def test_classes_without_cross_entropy(targets, hint):
    with pytest.raises(ValueError, match=r"y has shape \(6,\); wanted \(6, 3\)") as caught:
        Network([2, 3]).fit(X, targets)
    assert ("whole numbers from 0 to 2, as here, are classes for loss='cross_entropy'" in str(caught.value)) == hint


def test_patience_without_a_tolerance():
    net = Network([2, 3], loss="cross_entropy", seed=0)
    with pytest.raises(ValueError, match="patience=2 has no effect without a tolerance: give one too"):
        net.fit(X, y, patience=2)
    assert net.steps == 0
    with pytest.warns(UserWarning, match="patience=5"):
        net.fit(X, y, epochs=1, tolerance=0, progress=False)
