"""The network that ``hotloop train --from`` goes on with, and data as it takes them."""

import argparse
import copy
from dataclasses import dataclass, replace

from hotloop.network.activations import row_of
from hotloop.network.cli.extras import missing_extras_as_faults
from hotloop.network.cli.prepared_data import PreparedData, load_data, prepare
from hotloop.network.datasets.dataset import Dataset
from hotloop.network.datasets.scaling import Scaling
from hotloop.network.interchange.files import read_model
from hotloop.network.interchange.layers import layers_of, network_of
from hotloop.network.losses import LOSSES
from hotloop.network.network import Network
from hotloop.network.persistence.schema import Schema
from hotloop.network.prepared_network import PreparedNetwork
from hotloop.network.tables.preparation import Preparation

# Options for what the file of the network says.
OF_THE_FILE = ("layers", "hidden", "initializer", "dropout", "input_dropout", "layer_norm", "l2", "dtype")


@dataclass(frozen=True, eq=False)
class StartingNetwork:
    """A network from a file, of hotloop or of another program.

    Parameters
    ----------
    path : str
    network : Network
    preparation : Preparation or None
        Of tables, if the file has one.
    classes : tuple of str or None
        Their names, if the file has them.
    """

    path: str
    network: Network
    preparation: Preparation | None
    classes: tuple[str, ...] | None

    @classmethod
    def read(cls, arguments: argparse.Namespace) -> "StartingNetwork":
        """Read the file, and set the loss that follows from it, unless one is asked for.

        The loss of an identity output from another program, which its file does not say, follows from the data.
        """
        for name in OF_THE_FILE:
            if getattr(arguments, name):
                raise ValueError(f"--{name.replace('_', '-')} and --from: the network is that of the file")
        path = arguments.start
        with missing_extras_as_faults():
            model, is_ours = read_model(path, arguments.activation, arguments.output)
        if not isinstance(model, (Network, PreparedNetwork)):
            raise ValueError(f"{path} holds a {type(model).__name__}, of several networks: train another one")
        net, preparation = (model.network, model.preparation) if isinstance(model, PreparedNetwork) else (model, None)
        if isinstance(model, PreparedNetwork):
            classes = model.classes
        else:
            classes = Schema.from_metadata(net.metadata, net.sizes[0], net.sizes[-1]).classes
        if not isinstance(net.loss, str):
            raise ValueError(f"{path}: hotloop train has no loss {net.loss!r}: train this network in Python")
        if arguments.loss is None and (is_ours or net.loss != "mse"):
            arguments.loss = net.loss
        arguments.dtype, arguments.output = str(net.dtype), row_of(net.activations[-1]).name
        return cls(path, net, preparation, classes)

    def load_prepared(self, arguments: argparse.Namespace) -> PreparedData:
        """Load the data that the options name, with inputs as the network takes them."""
        whose = None
        if self.preparation is not None:
            data, preparation = load_data(arguments, self.preparation)
        else:
            exact = argparse.Namespace(**vars(arguments) | {"dtype": "float64"})
            data, preparation = load_data(exact, as_numbers=True)
            scaling = self._scaling(data)
            whose = self.path if scaling is not data.scaling and not scaling.is_neutral else None
            data = data.scaled_by(scaling, self.network.dtype)
        if None not in (data.classes, self.classes) and data.classes != self.classes:
            raise ValueError(f"{data.name} has the classes {data.classes}; those of {self.path} are {self.classes}")
        return replace(prepare(arguments, data, preparation), scaled_by=whose)

    def _scaling(self, data: Dataset) -> Scaling:
        """Return how the inputs are scaled: as the network says, or else pixels as the data say, and others not."""
        net = self.network
        of_network = Scaling(net.input_offset, net.input_scale)
        if of_network.is_neutral and data.scaling.in_loop:
            return data.scaling
        return of_network

    def network_for(self, prepared: PreparedData) -> Network:
        """Return a copy of the network that takes the prepared inputs and has their loss, its sizes checked."""
        net, data = copy.copy(self.network), prepared.data
        found, wanted = (net.sizes[0], net.sizes[-1]), (int(prepared.train.x.shape[1]), prepared.n_outputs)
        if found != wanted:
            one = "; of one output for two classes: --output sigmoid" if found[1] == 1 and wanted[1] == 2 else ""
            raise ValueError(
                f"{self.path} does not fit {data.name}: it has {found[0]} inputs and {found[1]} outputs, for the data "
                f"it needs {wanted[0]} and {wanted[1]} with {prepared.loss}{one}"
            )
        if net.loss != prepared.loss:
            net = network_of(
                layers_of(net, "training"), self.path, loss=prepared.loss, l1=net.l1, l2=net.l2,
                max_norm=net.max_norm, seed=net.seed,
                label_smoothing=net.label_smoothing if LOSSES[prepared.loss].classifies else 0.0,
            )  # fmt: skip
        net.input_offset, net.input_scale = 0.0, 1.0
        scaling = prepared.target_scaling
        if scaling is not None:  # the network is to predict standardised targets: `for_raw_data` undoes this
            net.weights[-1][:] *= scaling.scale
            net.biases[-1][:] = (net.biases[-1] - scaling.offset) * scaling.scale
            net.reset_optimizer()
        return net
