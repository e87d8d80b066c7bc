"""Checkpoints: whatever one a fit goes on from, it ends with the same bits; what belongs to another fit is refused."""

import numpy as np
import pytest
from conftest import COMPILED
from model_files import rewritten
from resumable_fits import FITS, build, data, outcome, train
from small_networks import everything

from hotloop import SGD, Adam, Callback, Network
from hotloop.network import layout
from hotloop.network.persistence import checkpoint as files
from hotloop.network.persistence import model_file
from hotloop.network.persistence.checkpoint_writer import CheckpointedFit
from hotloop.network.training import thread_choice
from hotloop.schedules import Cosine, OneCycle

pytestmark = pytest.mark.filterwarnings("ignore::hotloop.ConvergenceWarning")
ROWS = {"momentum": 50, "Adam": 40, "AdamW": 40}
EVERY = {"every": "1 step"}


class Counts(Callback):
    """Has a state of every kind, which decides its part of the record."""

    def __init__(self):
        self.state = {"epochs": 0, "sums": np.zeros(2, ">f4"), "last": None, "names": ("a", "b")}
        self.state |= {"share": np.float32(0.1), "unknown": np.array([[np.nan, -np.inf]])}

    def on_fit_begin(self, fit):
        self.__init__()

    def on_epoch_begin(self, fit):
        self.state["epochs"] += 1

    def on_epoch_end(self, fit):
        self.state["sums"] += np.array([1, fit.record["loss"]], "f4")
        self.state["last"] = [fit.epoch, {"nan": float("nan")}]
        fit.record["counted"] = float(self.state["sums"][1]) + self.state["epochs"]

    def state_dict(self):
        return self.state

    def load_state_dict(self, state):
        self.state = dict(state)


@pytest.fixture
def small_micro_batches(monkeypatch):
    """Batches of several micro-batches, and after each a compiled call ends."""
    for name in ("LARGEST_MICRO_BATCH", "SMALLEST_MICRO_BATCH"):
        monkeypatch.setattr(layout, name, 4)
    monkeypatch.setattr(thread_choice, "SLICE_SECONDS", 0.0)


@pytest.fixture
def kept(monkeypatch, tmp_path):
    """Copies of all checkpoints that are written, in their order."""
    write, found = files.write, []

    def keep(path, *given):
        write(path, *given)
        found.append(tmp_path / f"kept-{len(found)}")
        found[-1].write_bytes(path.read_bytes())

    monkeypatch.setattr(files, "write", keep)
    return found


def small(name, net=None, **options):
    """Train on few rows, with batches of 16 rather than 600; return the network and the history."""
    net = build(name) if net is None else net
    options = ({"batch_size": 16} if name == "AdamW" else {}) | {"epochs": 3, "n_threads": 1} | options
    return net, train(net, name, ROWS[name], **options)


# The same bits.


@pytest.mark.parametrize("every", ["1 step", "0.000001 s"])
@pytest.mark.parametrize("name", FITS)
def test_from_whatever_checkpoint_a_fit_ends_with_the_same_bits(name, every, kept, tmp_path, small_micro_batches):
    """Also in the middle of a batch, on another number of threads, and from a network that has been trained."""
    whole = outcome(*small(name, callbacks=[Counts()]))
    written = outcome(*small(name, callbacks=[Counts()], checkpoint=tmp_path / "run", every=every))
    assert written == whole
    batch = 16 if name == "AdamW" else FITS[name][1]["batch_size"]
    calls = -(-ROWS[name] // (batch if every == "1 step" else 4))  # of 4 rows in an epoch; the last batch may be short
    assert len(kept) == 3 * calls or (every != "1 step" and len(kept) > 3 * calls)
    net = build(name)
    for index, path in enumerate(kept if COMPILED else kept[::3]):
        _, history = small(name, net, callbacks=[Counts()], resume=path, n_threads=1 + index % 3 if COMPILED else 1)
        assert outcome(net, history) == whole


def test_a_fit_after_others_goes_on(kept, tmp_path):
    """Its steps, epochs and optimizer are counted from where it began."""

    def trained():
        net, _ = small("Adam", epochs=1)
        small("Adam", net, epochs=1, optimizer=SGD(0.1))
        return net

    whole = outcome(*small("Adam", trained()))
    small("Adam", trained(), checkpoint=tmp_path / "run", every="4 steps")
    assert len(kept) == 4 + 1
    for path in kept:
        assert outcome(*small("Adam", resume=path)) == whole
    assert whole[2][:3] == (5, 30, 12)


def test_more_epochs_than_before(kept, tmp_path):
    """And none: what has ended returns what it was."""
    whole, longer = (outcome(*small("Adam", epochs=epochs)) for epochs in (2, 4))
    small("Adam", epochs=2, checkpoint=tmp_path / "run")
    assert len(kept) == 1
    assert outcome(*small("Adam", epochs=4, resume=tmp_path / "run")) == longer
    net, history = small("Adam", epochs=2, checkpoint=tmp_path / "run", resume=True)
    assert outcome(net, history) == whole
    assert len(kept) == 1
    with pytest.raises(ValueError, match="2 epochs were trained, more than the epochs=1 asked for"):
        small("Adam", epochs=1, resume=tmp_path / "run")
    with pytest.raises(InterruptedError):
        small("Adam", callbacks=[StopsAfter(10)], checkpoint=tmp_path / "run", every="2 steps")  # of 6 in an epoch
    with pytest.raises(ValueError, match="1 epoch and 28 samples of the next were trained, more than the epochs=1"):
        small("Adam", epochs=1, resume=tmp_path / "run")


def test_a_fit_that_a_callback_ended_has_ended(tmp_path):
    """Unless in the middle of an epoch, which is then gone on with, or by a limit of time."""

    class Stops(Callback):
        def __init__(self, moment, reason="enough"):
            setattr(self, moment, lambda fit: fit.stop(reason) if fit.epoch == 2 else None)

    whole = outcome(*small("Adam"))
    _, history = small("Adam", callbacks=[Stops("on_epoch_end")], checkpoint=tmp_path / "run")
    assert (history.stop_reason, len(history.epochs)) == ("enough", 2)
    _, again = small("Adam", resume=tmp_path / "run")
    assert (again.stop_reason, again.epochs) == ("enough", history.epochs)
    for stop in (Stops("on_call_end"), Stops("on_epoch_end", "time")):
        small("Adam", callbacks=[stop], checkpoint=tmp_path / "run", every="2 steps")
        assert outcome(*small("Adam", resume=tmp_path / "run")) == whole


def test_the_best_loss_so_far_is_known(tmp_path):
    """Of a tolerance: else patience would begin anew."""
    options = {"tolerance": 10.0, "patience": 4, "epochs": 9}
    whole = outcome(*small("Adam", **options))
    assert whole[-1] == "converged"
    with pytest.raises(InterruptedError):
        small("Adam", **options, checkpoint=tmp_path / "run", every="8 steps", callbacks=[StopsAfter(17)])
    assert outcome(*small("Adam", **options, resume=tmp_path / "run")) == whole


class StopsAfter(Callback):
    """Raises an error after some steps."""

    def __init__(self, steps):
        self.steps = steps

    def on_call_begin(self, fit):
        if fit.network.steps >= self.steps:
            raise InterruptedError


def test_a_network_without_a_seed_of_its_own_gets_that_of_the_file(tmp_path):
    whole = outcome(*small("Adam"))
    with pytest.raises(InterruptedError):
        small("Adam", callbacks=[StopsAfter(9)], checkpoint=tmp_path / "run", every="2 steps")
    net = build("Adam", seed=None)
    assert CheckpointedFit(None, None, tmp_path / "run").seed_of(net) == 2
    assert CheckpointedFit(None, None, None).seed_of(net) == net.seed != 2
    assert outcome(*small("Adam", net, resume=tmp_path / "run")) == whole


def test_schedules_count_from_the_beginning_of_the_fit(tmp_path):
    """Of a network that had been trained before, and that goes on in the middle of an epoch."""
    options = {"optimizer": Adam(OneCycle(0.01), beta1=OneCycle(0.85, 0.95, 0.95)), "dropout_schedule": Cosine(1.0)}
    nets = [small("Adam", epochs=1)[0] for _ in range(3)]
    whole = outcome(*small("Adam", nets[0], **options))
    with pytest.raises(InterruptedError):
        small("Adam", nets[1], callbacks=[StopsAfter(9)], checkpoint=tmp_path / "run", every="2 steps", **options)
    assert outcome(*small("Adam", nets[2], resume=tmp_path / "run", **options)) == whole
    with pytest.raises(ValueError, match="dropout_schedule was Cosine, is None"):
        small("Adam", nets[2], resume=tmp_path / "run", **options | {"dropout_schedule": None})
    with pytest.raises(ValueError, match=r"optimizer.learning_rate"):
        small("Adam", nets[2], resume=tmp_path / "run", **options | {"optimizer": Adam(0.01)})
    with pytest.raises(ValueError, match=r"epochs was \d+, is 77"):
        small("Adam", nets[2], resume=tmp_path / "run", epochs=77, **options)


def test_an_array_of_a_file_and_one_in_memory_are_the_same_data(tmp_path):
    X, y = data("momentum", 50)
    np.save(tmp_path / "X.npy", X)
    whole = outcome(*small("momentum", epochs=4))
    small("momentum", epochs=2, checkpoint=tmp_path / "run")
    net = build("momentum")
    options = FITS["momentum"][1] | {"epochs": 4, "progress": False, "resume": tmp_path / "run"}
    assert outcome(net, net.fit(np.load(tmp_path / "X.npy", mmap_mode="r"), y.tolist(), **options)) == whole


# What a file holds.


def test_a_checkpoint_is_a_model_file(kept, tmp_path):
    """Which holds the network as it was then."""
    net, _ = small("Adam", checkpoint=tmp_path / "run", every="7 steps")
    small("Adam", twin := build("Adam"), epochs=2)
    loaded = Network.load(kept[1])
    assert (loaded.steps, loaded.epochs_trained, loaded.seed, loaded.optimizer) == (14, 2, 2, Adam(0.003))
    assert (Network.load(tmp_path / "run").parameters == net.parameters).all()
    assert (Network.load(kept[1]).steps, twin.steps) == (14, 12)


def test_the_states_of_callbacks(tmp_path):
    small("Adam", callbacks=[counts := Counts()], epochs=1, checkpoint=tmp_path / "run")
    state = files.Checkpoint.read(tmp_path / "run").states[0]
    assert state["sums"].dtype == np.dtype("f4")
    assert state.pop("sums").tobytes() == counts.state["sums"].astype("f4").tobytes()
    assert np.isnan(state["last"].pop()["nan"])
    assert state.pop("unknown").tobytes() == np.array([np.nan, -np.inf]).tobytes()
    assert state == {"epochs": 1, "last": [1], "names": ["a", "b"], "share": float(np.float32(0.1))}


@pytest.mark.parametrize(("state", "match"), [
    ({"it": object()}, r"state_dict\(\) of Odd\['it'\] is <object .*>, of type object; a checkpoint holds numbers"),
    ({"them": [1, {2}]}, r"state_dict\(\) of Odd\['them'\]\[1\] is \{2\}, of type set"),
    ({1: 2}, r"state_dict\(\) of Odd has the key 1; wanted texts"),
    ({"array number": 2}, r"has the key 'array number'"),
    ({"names": np.array(["a"])}, r"\['names'\] is array\(\['a'\]"),
    ({"wide": np.longdouble(1)}, r"\['wide'\] is .*longdouble"),
])  # fmt: skip
def test_a_state_that_no_file_can_hold(state, match, tmp_path):
    """It is refused before anything is trained."""

    class Odd(Callback):
        def state_dict(self):
            return state

    net = build("Adam")
    with pytest.raises(TypeError, match=match):
        small("Adam", net, callbacks=[Odd()], checkpoint=tmp_path / "run")
    assert net.steps == 0
    assert not [*tmp_path.iterdir()]


# Refusals.


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "run"
    with pytest.raises(InterruptedError):
        small("Adam", callbacks=[StopsAfter(9), Counts()], checkpoint=path, every="2 steps")
    return path


def with_other(index, value):
    def change(array):
        array[index] = value
        return array

    return change


NETWORKS = [
    ({"hidden": (9, 7)}, r"sizes was \[5, 9, 6, 3\], is \[5, 9, 7, 3\]"),
    ({"activation": "tanh"}, "activations was .'gelu', 'gelu', 'softmax'., is .'tanh'"),
    ({"output": "identity"}, "activations was"), ({"dropout": 0.3}, r"dropout was \[0.3, 0.1\], is \[0.3, 0.3\]"),
    ({"l2": 0.1}, "l2 was 0.0, is 0.1"), ({"dtype": "float32"}, "dtype was 'float64', is 'float32'"),
    ({"input_scale": 2.0}, "input_scale was 1.0, is 2.0"),
    ({"loss": "mse", "output": "softmax"}, "loss was 'cross_entropy', is 'mse'; .*y.kind was 'classes', is 'numbers'"),
]  # fmt: skip
ARGUMENTS = [
    ({"optimizer": Adam(0.004)}, "optimizer.learning_rate was 0.003, is 0.004"),
    ({"optimizer": SGD()}, "optimizer.name was 'adam', is 'sgd'; .*beta1 was 0.9, is absent"),
    ({"batch_size": 8}, "batch_size was 7, is 8"), ({"shuffle": False}, "shuffle was True, is False"),
    ({"tolerance": 1}, "tolerance was 0.0, is 1.0"), ({"patience": 5}, "patience was 50, is 5"),
    ({"validation_data": None}, "validation_data was given, is None"),
    ({"validation_data": data("Adam", 12)}, "validation_data.X.rows was 13, is 12; validation_data.y had other values"),
    ({"callbacks": []}, r"callbacks with a state was \[Counts\], is \[\]"),
    ({"callbacks": [Counts(), Callback(), Counts()]}, r"is \[Counts, Counts\]"),
]  # fmt: skip
DATA = [
    (0, lambda X: X.astype("f"), "X.dtype was 'float64', is 'float32'"),
    (0, with_other((39, 4), 0), "X had other values"), (1, with_other(20, 2), "y had other values"),
    (0, lambda X: X[::-1], "X had other values"),
]  # fmt: skip


def refused(run, match, net=None, pair=None, **options):
    """Demand an error that names the file and leaves the network as it was."""
    net = build("Adam") if net is None else net
    before = everything(net), net.seed
    options = {"callbacks": [Counts()], "epochs": 3, "resume": run} | options
    with pytest.raises(ValueError, match=match) as caught:
        train(net, "Adam", 40, pair, **options)
    assert str(caught.value).startswith(f"{run} was written by another fit: ")
    assert str(caught.value).endswith(f"or go on differently from Network.load('{run}')")
    assert (everything(net), net.seed) == before


@pytest.mark.parametrize(("changes", "match"), NETWORKS)
def test_another_network_is_refused(changes, match, run):
    X, labels = data("Adam", 40)
    y = np.eye(3)[labels] if "loss" in changes else labels
    refused(run, match, build("Adam", **changes), (X, y))


@pytest.mark.parametrize(("changes", "match"), ARGUMENTS)
def test_other_arguments_are_refused(changes, match, run):
    refused(run, match, **changes)


@pytest.mark.parametrize(("index", "change", "match"), DATA)
def test_other_data_are_refused(index, change, match, run):
    pair = [array.copy() for array in data("Adam", 40)]
    validation = pair[0][:13].copy(), pair[1][:13].copy()
    pair[index] = change(pair[index])
    refused(run, f"fit: {match}. Resume", pair=pair, validation_data=validation)


def test_fewer_rows_are_refused(run):
    refused(run, "X.rows was 40, is 39; y had other values", pair=[array[:39] for array in data("Adam", 40)])


# What is no checkpoint.


def read_fails(path, match, error=ValueError):
    net = build("Adam")
    before = everything(net)
    with pytest.raises(error, match=match) as caught:
        small("Adam", net, resume=path)
    assert str(path) in str(caught.value)
    assert everything(net) == before


def test_a_file_that_was_cut_off_never_loads(run, tmp_path):
    """At any length: within the number of its header's bytes, in the header, at its end, and among the arrays."""
    whole, path = run.read_bytes(), tmp_path / "cut"
    header = 8 + int.from_bytes(whole[:8], "little")
    lengths = {0, 1, 7, 8, 9, header - 1, header, header + 1, (header + len(whole)) // 2, len(whole) - 1}
    for length in sorted(lengths | {*range(0, len(whole), 997)}):
        path.write_bytes(whole[:length])
        read_fails(path, "is not a safetensors file, or is truncated or altered")
    path.write_bytes(whole + b"x")
    read_fails(path, "its header describes")


def test_a_file_with_another_byte_never_loads(run, tmp_path):
    """In the header it may be one that the format does not look at: then the checksum tells it, or nothing changes."""
    whole, path = bytearray(run.read_bytes()), tmp_path / "altered"
    header = 8 + int.from_bytes(whole[:8], "little")
    for place in {*range(0, header, 211), *range(header, len(whole), 101)}:
        altered = whole.copy()
        altered[place] ^= 1
        path.write_bytes(altered)
        read_fails(path, "truncated or altered|has been altered|damaged|has format|not one that hotloop wrote")


def test_foreign_files(tmp_path):
    net = build("Adam")
    net.save(tmp_path / "model")
    read_fails(tmp_path / "model", "model is a saved network, not a checkpoint of a fit: go on with Network.load")
    (tmp_path / "text").write_text("epoch,loss\n" * 9)
    read_fails(tmp_path / "text", "is not a safetensors file")
    read_fails(tmp_path / "none", "there is no checkpoint .*none to resume", FileNotFoundError)
    read_fails(tmp_path, "is a folder", IsADirectoryError)


@pytest.mark.parametrize("change", [
    lambda about: about["checkpoint"].pop("start"), lambda about: about["checkpoint"].update(arrays=9),
    lambda about: about["checkpoint"]["start"].update(place=3), lambda about: about.update(checkpoint=None),
    lambda about: about["checkpoint"].pop("identity"), lambda about: about["checkpoint"].update(callbacks=None),
], ids=range(6))  # fmt: skip
def test_a_sound_file_whose_parts_do_not_fit(change, run, tmp_path):
    about = model_file.read(run)[0]
    change(about)
    read_fails(rewritten(run, tmp_path / "odd", checkpoint=about["checkpoint"]), "is damaged: its parts do not fit")


def test_moments_of_another_shape(run, tmp_path):
    def drop(arrays):
        arrays["optimizer.1.layers.1.bias"] = np.zeros(5)

    path = rewritten(run, tmp_path / "odd", drop)
    net = build("Adam")
    before = everything(net)
    with pytest.raises(ValueError, match=r"odd is damaged.*optimizer.1.layers.1.bias has shape \(5,\)"):
        train(net, "Adam", 40, callbacks=[Counts()], epochs=3, resume=path)
    assert everything(net) == before
