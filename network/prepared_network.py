"""A network with the preparation of its table, in one file: what ``hotloop train`` saves for data in tables."""

import os
from typing import Any, Self

from hotloop.kernels.jit import Array
from hotloop.network.html.elements import note, representation, title
from hotloop.network.network import Network
from hotloop.network.persistence import collection_file, model_file
from hotloop.network.persistence.collection_file import PREPARATION, prefixed, under
from hotloop.network.persistence.schema import Schema
from hotloop.network.tables.columns_table import folded_columns
from hotloop.network.tables.preparation import Preparation
from hotloop.network.tables.table import table_of


class PreparedNetwork:
    """A network that takes tables: it predicts from data frames and arrays of mixed columns.

    ``hotloop train --data FILE --save MODEL`` writes one; read it with `load`.

    Parameters
    ----------
    network : Network
        It takes the matrix that `preparation` makes of a table.
    preparation : Preparation
    schema : Schema
        What the table's target is.

    Attributes
    ----------
    network, preparation, schema
    classes : tuple of str or None
        Names of the classes, in the order of the outputs; None for values.

    Examples
    --------
    >>> import os, subprocess, sys
    >>> from pathlib import Path
    >>> from hotloop import PreparedNetwork
    >>> rows = ["red,1,small", "blue,9,large", "red,2,small", "blue,8,large"] * 10
    >>> _ = Path("fruit.csv").write_text(os.linesep.join(["colour,weight,size", *rows]))
    >>> command = ["hotloop", "train", "--data", "fruit.csv", "--save", "fruit.safetensors", "--epochs", "1"]
    >>> done = subprocess.run([sys.executable, "-m", *command], capture_output=True, check=True)
    >>> model = PreparedNetwork.load("fruit.safetensors")
    >>> model.classes
    ('large', 'small')
    >>> model.predict({"colour": ["blue", None], "weight": [8.0, 3.0]}).shape
    (2, 2)
    >>> model.save("copy.safetensors")
    """

    def __init__(self, network: Network, preparation: Preparation, schema: Schema) -> None:
        self.network, self.preparation, self.schema = network, preparation, schema

    @property
    def classes(self) -> tuple[str, ...] | None:
        """Names of the classes."""
        return self.schema.classes

    def predict(self, X: Any, *, n_threads: int | str = "auto") -> Array:
        """Return the network's outputs (N, outputs) for a table X of N rows, as `hotloop.network.tables` takes it.

        Columns are found by their names, in any order. Missing values and unknown categories are taken as
        `Preparation` says. `n_threads` as in `Network.predict`.
        """
        table = table_of(X, self.preparation.needed)
        inputs = self.preparation.transform(table, dtype=self.network.dtype)
        return self.network.predict(inputs, n_threads=n_threads)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a safetensors file that takes the place of `path` once it is whole.

        Raises
        ------
        OSError
            If the file cannot be written; an old one is then still there.
        ValueError
            If the parameters are not finite.
        """
        config, arrays = self.preparation.state()
        described = {"preparation": config, "schema": self.schema.plain()}
        collection_file.write(path, type(self).__name__, described, prefixed(PREPARATION, arrays), [self.network])

    def __repr__(self) -> str:
        """Return the network and its preparation."""
        return f"<PreparedNetwork: {self.preparation!r}, then {self.network!r}>"

    def _repr_html_(self) -> str:
        """Return for notebooks what becomes of each column, and the network."""
        classes = [] if self.classes is None else [note(f"classes: {', '.join(self.classes)}")]
        columns = folded_columns(self.preparation.columns)
        return representation(title("Columns"), columns, title("Network"), self.network.summary().as_html, *classes)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` or ``hotloop train --save`` wrote.

        Parameters
        ----------
        path : path

        Returns
        -------
        PreparedNetwork

        Raises
        ------
        OSError
            If there is no such file, or it cannot be read.
        ValueError
            If it is another file, is damaged, or was written by a later version.
        """
        file, config, arrays, networks = collection_file.read(path, cls.__name__, Network)
        with model_file.damage_in(file):
            preparation = Preparation.from_state(config["preparation"], under(PREPARATION, arrays))
            (network,) = networks
            if network.sizes[0] != preparation.n_inputs:
                raise ValueError(f"{network.sizes[0]} inputs of the network, {preparation.n_inputs} of the preparation")
            return cls(network, preparation, Schema.of_plain(config["schema"], None, network.sizes[-1]))
