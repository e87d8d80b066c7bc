"""An instance of every public class, and what tells whether a copy of one is the same."""

import pickle
from functools import cached_property
from types import FunctionType

import numpy as np

import hotloop
from hotloop import activations, callbacks, datasets, losses, metrics, schedules
from hotloop.network.persistence.schema import Schema

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3))
LABELS = X.argmax(1) % 2


def square(z):
    return z * z


def twice(z):
    return 2 * z


def squared_error(outputs, target, gradient):
    total = 0.0
    for j in range(outputs.size):
        total += (outputs[j] - target[j]) ** 2
        gradient[j] = 2 * (outputs[j] - target[j])
    return total


def do_nothing(fit):
    return None


class Mine(hotloop.Callback):
    """A callback of a user's own."""


def of_training():
    """Return what a fit makes, of a network with most features."""
    net = hotloop.Network(
        [3, 4, 2], "tanh", loss="cross_entropy", layer_norm=True, learn_activation=True, learn_input_scale=True,
        dropout=0.1, l2=1e-4, input_offset=[0.1, 0.2, 0.3], seed=0,
    )  # fmt: skip
    net.metadata["by"] = "a test"
    optimizer = hotloop.Adam(schedules.Cosine(0.01), learning_rate_factors={"biases": 0.5})
    stop = hotloop.EarlyStopping(patience=2)
    with hotloop.profile() as profile:
        history = net.fit(X, LABELS, epochs=3, optimizer=optimizer, callbacks=[stop], validation_data=(X, LABELS))
    return [
        net, profile, history, stop, net.optimizer, profile.diagnose(), net.summary(), net.trace(X, LABELS),
        net.check_gradients(X, LABELS, per_layer=2), hotloop.DivergenceError("it diverged", history),
        net.find_learning_rate(X, LABELS),
    ]  # fmt: skip


def of_methods():
    cosine = schedules.Cosine(0.01)
    return [
        hotloop.SGD(0.1, momentum=0.9, nesterov=True, clip_norm=1.0), hotloop.RMSprop(cosine), hotloop.Adagrad(0.1),
        hotloop.Adam(0.1), hotloop.AdamW(0.1, weight_decay_factors={"biases": 0.0}), hotloop.Normal(0.1),
        cosine, schedules.Constant(0.1), schedules.CosLog4(0.1), schedules.CosineWarmRestarts(0.1, "2 epochs"),
        schedules.Exponential(0.1, 0.9), schedules.FlatCosine(0.1), schedules.InverseScaling(0.1),
        schedules.LinearWarmup(cosine, 5), schedules.OneCycle(0.1), schedules.Piecewise([(3, 0.1), (1.0, cosine)]),
        schedules.StepDecay(0.1, "3 epochs"), activations.ELU(0.5), activations.LeakyReLU(0.2),
        activations.CustomActivation(square, twice), losses.CustomLoss(squared_error), losses.Huber(2.0),
        losses.Quantile([0.1, 0.9]), losses.Loss("mine", 0, "identity"), metrics.Pinball(0.2), metrics.TopK(2),
    ]  # fmt: skip


def of_data(folder):
    (folder / "data.csv").write_text("a,b,label\n1,2,x\n3,4,y\n5,6,x\n")
    data = datasets.load_csv(folder / "data.csv")
    return [data, datasets.Scaling(0.5, 2.0), datasets.Stream(folder / "data.csv", classes=["x", "y"]), Schema.of(data)]


def of_callbacks(folder):
    return [
        Mine(), callbacks.CSVLogger(folder / "log.csv"), callbacks.LambdaCallback(on_epoch_end=do_nothing),
        callbacks.LivePlot(), callbacks.ModelCheckpoint(folder / "best.safetensors"), callbacks.ReduceLROnPlateau(),
    ]  # fmt: skip


def of_estimators():
    """Return estimators, and what else needs scikit-learn."""
    from hotloop import estimators

    recipe = estimators.Recipe(hidden_sizes=(4,), epochs=1)
    tables = estimators.TabularClassifier(preset=recipe), estimators.TabularRegressor(preset=recipe)
    tables[0].fit(X, LABELS), tables[1].fit(X, X[:, 0])
    preparation = tables[0].preparation_
    net = hotloop.Network([preparation.n_inputs, 2], seed=0)
    return [
        *tables, recipe, preparation, hotloop.PreparedNetwork(net, preparation, Schema()),
        estimators.MLPClassifier([4], random_state=0).partial_fit(X, LABELS, classes=[0, 1]),
        estimators.MLPRegressor(hidden_layer_sizes=[4], random_state=0).partial_fit(X, X[:, 0]),
    ]  # fmt: skip


def state_of(value):
    """Return what a value is made of, without what it computes once it is asked."""
    if isinstance(value, (activations.CustomActivation, losses.CustomLoss)):
        return value._code, value.name  # bytes of the functions, which Numba pickles otherwise each time
    _, made_of, *state = value.__reduce_ex__(4)[:3]
    if state and isinstance(state[0], dict):
        kind = type(value)
        cached = {name for name in state[0] if isinstance(getattr(kind, name, None), cached_property)}
        state = [{name: one for name, one in state[0].items() if name not in cached}]
    return [made_of, *state]


def same(found, wanted, seen=None):
    """Return whether two values are of one class and hold the same, to the bit; NaN is like NaN."""
    seen = {} if seen is None else seen
    if id(wanted) in seen or found is wanted:
        return True
    seen[id(wanted)] = wanted  # kept: its id is not that of another
    if type(found) is not type(wanted):
        return False
    if isinstance(wanted, np.ndarray):
        return found.dtype == wanted.dtype and found.tobytes() == wanted.tobytes() and found.shape == wanted.shape
    if isinstance(wanted, (str, bytes, int, type, FunctionType, np.dtype)) or wanted is None:
        return found == wanted
    if isinstance(wanted, (float, complex, np.generic)):
        return repr(found) == repr(wanted)
    if isinstance(wanted, dict):
        return same(list(found), list(wanted), seen) and all(same(found[key], wanted[key], seen) for key in wanted)
    if isinstance(wanted, (set, frozenset)):
        return found == wanted
    if isinstance(wanted, (list, tuple)):
        return len(found) == len(wanted) and all(map(lambda *two: same(*two, seen), found, wanted))
    return same(state_of(found), state_of(wanted), seen)


def predict(net, X):
    return net.predict(X)


def pickle_again(path):
    """Load each of the pickles in a file, and write them as this process pickles them."""
    with open(path, "rb") as file:
        blobs = pickle.load(file)
    with open(path, "wb") as file:
        pickle.dump([pickle.dumps(pickle.loads(blob)) for blob in blobs], file)
