"""Hints for those who come from other libraries: the right name for theirs, and never a wrong one."""

import inspect

import numpy as np
import pytest

from hotloop import SGD, Adam, AdamW, EarlyStopping, Network, activations, callbacks, losses, metrics, schedules
from hotloop.activations import LeakyReLU
from hotloop.callbacks import CSVLogger, LambdaCallback, ModelCheckpoint, ReduceLROnPlateau
from hotloop.estimators import MLPClassifier, MLPRegressor, Recipe, TabularClassifier, TabularRegressor
from hotloop.losses import Quantile
from hotloop.network.activations import ACTIVATIONS
from hotloop.network.initializers import INITIALIZERS
from hotloop.network.losses import LOSSES
from hotloop.network.metrics.named import METRICS
from hotloop.network.training.optimizers import OPTIMIZERS
from hotloop.network.validation import suggestions as words
from hotloop.network.validation.arguments import aliases_of
from hotloop.network.validation.words import OF_RECIPE, TO_RECIPE, WORDS
from hotloop.schedules import Cosine, FlatCosine, LinearWarmup, OneCycle, Piecewise, StepDecay

KNOWN = {"loss": LOSSES, "activation": ACTIVATIONS, "output": ACTIVATIONS, "optimizer": OPTIMIZERS,
         "initializer": INITIALIZERS, "metric": METRICS}  # fmt: skip
X, y = np.zeros((6, 2)), np.arange(6) % 3


def test_every_hint_is_a_name_of_ours():
    for argument, theirs in words.NAMES.items():
        assert {ours for ours in theirs.values() if ours is not None} <= set(KNOWN[argument])
        assert not set(theirs) & {*KNOWN[argument], *aliases_of(KNOWN[argument])}
    assert set(words.KEYWORDS.values()) <= set(words.HOMES)
    # What they mean where they are no argument: l2 (alpha of ELU is another), and the tolerance of fit.
    assert set(words.KEYWORDS) & set(words.HOMES) == {"alpha", "min_delta"}


OWNERS = {
    **{f"Network.{name}": getattr(Network, name) for name in ("fit", "fit_one_cycle", "find_learning_rate",
       "partial_fit", "check_gradients", "load", "save")},
    **{kind.__name__: kind for module in (callbacks, schedules, activations, losses) for name in module.__all__
       if inspect.isclass(kind := getattr(module, name))},
    "mlp": MLPClassifier, "tabular": TabularClassifier, "tabular fit": TabularClassifier.fit, "Recipe": Recipe,
    "Network": Network, "Schedule": None, "Monitor": None, "metric": metrics.roc_auc, "pinball": metrics.pinball,
}  # fmt: skip


@pytest.mark.parametrize("owner", WORDS)
def test_the_words_for_one_function(owner):
    """Each is no argument of it, and stands for one, or for a sentence."""
    taken = [OWNERS[owner]] if OWNERS[owner] else [each for each in OWNERS.values() if has_base(each, owner)]
    for each in taken:
        accepted = inspect.signature(each).parameters
        assert not set(WORDS[owner]) & set(accepted) or len(taken) > 1
    for meant in WORDS[owner].values():
        if meant.isidentifier():
            assert any(meant in inspect.signature(each).parameters for each in taken), meant
        else:
            assert meant[0].isupper() or meant.startswith(("hotloop", "fit"))
            assert meant.endswith(".")
    if any("options" in inspect.signature(each).parameters for each in taken):  # which are passed on to fit
        assert not set(WORDS[owner]) & set(inspect.signature(Network.fit).parameters)


def has_base(kind, name):
    return inspect.isclass(kind) and name in [base.__name__ for base in kind.__mro__]


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
     "'batch_size' is an argument of Network.fit and Network.find_learning_rate.$"),
    (lambda: Adam(lr=0.1), r"Adam\(\) got an unexpected keyword argument 'lr'. Did you mean 'learning_rate'\?"),
    (lambda: AdamW(eps=0.1), r"Did you mean 'epsilon'\?"),
    (lambda: Adam(momentum=0.1), "'momentum' is an argument of SGD"),
    (lambda: Network([2, 3]).fit(X, y, qqq=1), "unexpected keyword argument 'qqq'.$"),
    (lambda: Network([2, 3], batch_norm=1), "argument 'batch_norm'. hotloop has no batch normalisation: layer_norm="),
    (lambda: Network([2, 3], norm=1), r"Did you mean 'layer_norm'\?"),
    (lambda: Network([2, 3]).fit(X, y, schedule=1), r"'schedule'. Give a schedule to the optimizer: SGD"),
    (lambda: Network([2, 3]).check_gradients(X, y, eps=1), "argument 'eps'. The steps are of a fixed length"),
    (lambda: EarlyStopping(restore_best_weights=True), r"^EarlyStopping\(\) got .*Did you mean 'restore_best'\?$"),
    (lambda: ModelCheckpoint(filepath="a"), r"^ModelCheckpoint\(\) .*Did you mean 'path'\?"),
    (lambda: ModelCheckpoint("a", save_weights_only=True), "A file has the whole network"),
    (lambda: ReduceLROnPlateau(verbose=1), "argument 'verbose'. Nothing is printed: the bar"),
    (lambda: ReduceLROnPlateau(threshold=1), r"Did you mean 'min_delta'\?"),
    (lambda: CSVLogger("a", separator=";"), "Cells are separated by commas"),
    (lambda: LambdaCallback(on_train_begin=print), r"Did you mean 'on_fit_begin'\?"),
    (lambda: StepDecay(0.1, step_size=3), r"Did you mean 'every'\?"),
    (lambda: StepDecay(0.1, 3, gamma=0.3), r"Did you mean 'factor'\?"),
    (lambda: Cosine(0.1, T_max=10), "'T_max'. A schedule goes over the whole run; hotloop.schedules.Piecewise"),
    (lambda: Cosine(initial_learning_rate=0.1), r"Did you mean 'start'\?"),
    (lambda: Cosine(0.1, eta_min=0.1), r"Did you mean 'end'\?"),
    (lambda: OneCycle(max_lr=0.1), r"Did you mean 'peak'\?"),
    (lambda: FlatCosine(0.1, pct_start=0.1), r"Did you mean 'flat'\?"),
    (lambda: LinearWarmup(0.1, warmup_steps=3), r"Did you mean 'duration'\?"),
    (lambda: Piecewise(milestones=[1, 2]), r"Give pairs \(end, value\)"),
    (lambda: LeakyReLU(negative_slope=0.1), r"^LeakyReLU\(\) .*Did you mean 'slope'\?"),
    (lambda: Quantile(q=0.1), r"Did you mean 'levels'\?"),
    (lambda: metrics.f1(y, y_pred=y), r"^f1\(\) .*'y_pred'. Did you mean 'outputs'\?$"),
    (lambda: metrics.roc_auc(y, X, weights=y), r"Did you mean 'sample_weight'\?$"),
    (lambda: metrics.f1(y, X, zero_division=0), "What is divided by 0 is 0.$"),
    (lambda: metrics.pinball(y, X, alpha=0.1), r"Did you mean 'levels'\?$"),
    (lambda: Network([2, 3]).fit_one_cycle(X, y, 1, max_lr=0.1), r"^Network.fit_one_cycle\(\) .*'max_learning_rate'\?"),
    (lambda: Network([2, 3]).fit_one_cycle(X, y, 1, lr_max=0.1), r"Did you mean 'max_learning_rate'\?"),
    (lambda: Network([2, 3]).fit_one_cycle(X, y, n_epochs=1), r"fit_one_cycle\(\) .*Did you mean 'epochs'\?"),
    (lambda: Network([2, 3]).fit_one_cycle(X, y, 1, 0.1, bs=1), r"^Network.fit\(\) .*Did you mean 'batch_size'\?"),
    (lambda: Network([2, 3]).find_learning_rate(X, y, start_lr=1), r"^Network.find_learning_rate\(\) .* 'start'\?"),
    (lambda: Network([2, 3]).find_learning_rate(X, y, num_it=1), r"Did you mean 'steps'\?"),
    (lambda: Network([2, 3]).partial_fit(X, y, classes=[0, 1]), "an output for each class from the start"),
    (lambda: Network.load("a", custom_objects={}), r"^Network.load\(\) .*Did you mean 'custom'\?"),
    (lambda: TabularClassifier(epochs=9), r"^TabularClassifier\(\) .*'epochs'. Recipe has it: preset=Recipe\(epo"),
    (lambda: TabularRegressor(hidden_layers=9), r"^TabularRegressor\(\) .* preset=Recipe\(hidden_sizes=...\)\.$"),
    (lambda: TabularClassifier(n_estimators=9), "networks, not trees; n_ensemble is how many"),
    (lambda: TabularClassifier(cat_features=[1]), r"Did you mean 'categorical'\?$"),
    (lambda: TabularClassifier(eval_metric="auc"), "The best epoch is that of the accuracy"),
    (lambda: TabularRegressor(class_weights={}), "unexpected keyword argument 'class_weights'.$"),
    (lambda: TabularRegressor(loss="mae"), "unexpected keyword argument 'loss'.$"),
    (lambda: TabularRegressor(n_ensembles=9), r"Did you mean 'n_ensemble'\?$"),
    (lambda: TabularRegressor().fit(X, y, validation_data=(X, y)), r"^TabularEstimator.fit\(\) .* mean 'eval_set'\?$"),
    (lambda: TabularClassifier().fit(X, y, cat_features=[0]), "Give it to the estimator, such as .*categorical="),
    (lambda: Recipe(lr=0.1), r"^Recipe\(\) .*Did you mean 'learning_rate'\?$"),
    (lambda: MLPClassifier(epochs=3), r"^MLPClassifier\(\) .*Did you mean 'max_iter'\?$"),
    (lambda: MLPRegressor(lr=0.1), r"Did you mean 'learning_rate_init'\?$"),
    (lambda: MLPRegressor(metrics=[]), "unexpected keyword argument 'metrics'.$"),
    # Python's own, which name the class that users know.
    (lambda: Network([2, 3]).fit(X, y, 1), r"^Network.fit\(\) takes from 2 to 3 positional arguments but 4"),
    (lambda: Network([2, 3]).fit_one_cycle(), r"^Network.fit_one_cycle\(\) missing 1 .*'X'"),
    (lambda: Network([2, 3]).partial_fit(X), r"^Network.partial_fit\(\) missing"),
    (lambda: Network([2, 3]).save(), r"^Network.save\(\) missing"),
    (lambda: Network([2, 3]).reset_optimizer(1), r"^Network.reset_optimizer\(\) takes 1 positional"),
])  # fmt: skip
def test_keywords_of_other_libraries(call, message):
    with pytest.raises(TypeError, match=message):
        call()


KINDS = ("Classifier", "Regressor")
OF_ESTIMATORS = {"Recipe", "TabularEstimator.fit", *(f"{a}{b}" for a in ("MLP", "Tabular") for b in KINDS)}


def test_what_a_recipe_has():
    assert {*OF_RECIPE} | {*TO_RECIPE.values()} <= set(inspect.signature(Recipe).parameters)


def test_the_arguments_of_estimators_are_no_homes():
    """What is loaded decides on no message."""
    assert not [home for homes in words.HOMES.values() for home in homes if home in OF_ESTIMATORS]
    assert "preset" not in words.HOMES


def test_signatures_stay():
    assert next(iter(inspect.signature(Recipe).parameters)) == "hidden_sizes"
    assert next(iter(inspect.signature(TabularRegressor).parameters)) == "preset"
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
