"""What is public on a network and on a profile: what users are told of, and no more."""

import re

import numpy as np
import pytest

from hotloop import Network, profile

NAMES = {
    # what it is made of
    "sizes", "activations", "loss", "dropout", "label_smoothing", "l1", "l2", "max_norm", "input_offset", "input_scale",
    "dtype", "seed", "metadata", "layer_norm", "layer_norm_epsilon", "learn_activation", "learn_input_scale",
    "input_dropout",
    # its parameters
    "parameters", "weights", "biases", "gains", "shifts", "mixes", "learnt_input_scale", "n_parameters", "split",
    "parts",
    # what it does
    "fit", "partial_fit", "find_learning_rate", "fit_one_cycle", "check_gradients",
    "predict", "evaluate", "row_losses", "gradient", "trace", "summary", "save", "load", "compiled_arguments",
    # how far it has been trained
    "optimizer", "reset_optimizer", "steps", "epochs_trained",
}  # fmt: skip


def public(net):
    return {name for name in dir(net) if not name.startswith("_")}


def test_the_public_names_of_a_network():
    net = Network([2, 3, 1], seed=0)
    assert public(net) == NAMES
    net.fit(np.ones((4, 2)), np.ones(4), epochs=1, optimizer="adam", progress=False)
    net.predict(np.ones((1, 2), np.float32))
    assert public(net) == NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_each_is_documented(name):
    member = getattr(Network, name, None)
    parameters = re.findall(r"^    ([\w, ]+) : ", Network.__doc__, re.M)
    assert member.__doc__ if member is not None else name in ", ".join(parameters).split(", ")


@pytest.mark.parametrize("name", ["optimizer", "steps", "n_parameters", "weights"])
def test_what_training_counts_is_read_only(name):
    net = Network([2, 1], seed=0)
    with pytest.raises(AttributeError, match=name):
        setattr(net, name, 3)


def test_an_epoch_can_be_repeated():
    """Its order of samples follows from the seed and the number of epochs before."""
    (x, y), net = (np.random.default_rng(0).normal(size=(9, 2)), np.arange(9.0)), Network([2, 1], seed=0)
    before, options = net.parameters.copy(), {"epochs": 1, "batch_size": 2, "progress": False}
    first = net.fit(x, y, **options)["loss"]
    for trained, same in ((1, False), (0, True)):
        net.parameters[:], net.epochs_trained = before, trained
        assert (net.fit(x, y, **options)["loss"] == first) == same
    for wrong in (-1, 1.5, "1", None):
        with pytest.raises((TypeError, ValueError), match="epochs_trained must be"):
            net.epochs_trained = wrong


def test_the_public_names_of_a_profile():
    with profile() as prof:
        pass
    plain, files = {"rows", "seconds", "diagnosis", "recording"}, {"chrome_trace", "flamegraph", "html"}
    assert public(prof) == plain | files | {"record", "table", "to_json", "to_pandas", "plot", "diagnose"}
