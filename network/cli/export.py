"""``hotloop export``: write a network for other programs."""

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from hotloop.network.cli.extras import missing_extras_as_faults
from hotloop.network.cli.streams import say
from hotloop.network.interchange.c_export import export_c
from hotloop.network.interchange.files import read_model
from hotloop.network.interchange.keras_models import to_keras
from hotloop.network.interchange.onnx_export import to_onnx
from hotloop.network.interchange.python_export import export_python
from hotloop.network.interchange.pytorch import to_state_dict
from hotloop.network.interchange.tensorflow import to_litert, to_saved_model
from hotloop.network.network import Network
from hotloop.network.persistence.atomic_write import check_is_another, check_replaceable, path_of, write_atomically
from hotloop.network.validation.printable import with_article


def _keras(net: Network, path: str, **options: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "net.keras")
        to_keras(net, **options).save(file)
        write_atomically(path, file.read_bytes())


def _hotloop(model: Any, path: str) -> None:
    model.save(path)


def _torch(net: Network, path: str) -> None:
    from safetensors.torch import save

    write_atomically(path, save(to_state_dict(net), {"format": "pt"}))


class Target(NamedTuple):
    """What an option writes: in words, by which function, and what of the command it takes.

    `takes` are keyword arguments; `ending` is what its files end in, if that matters; `tables` are the models of tables
    that it takes.
    """

    words: str
    write: Callable[..., Any]
    takes: tuple[str, ...] = ()
    ending: str = ""
    tables: tuple[str, ...] = ()


PREPARED = ("PreparedNetwork",)
TABLES = (*PREPARED, "TabularClassifier", "TabularRegressor")
TARGETS = {
    "hotloop": Target("a model file of hotloop", _hotloop, tables=TABLES),
    "c": Target("C99", export_c, ("logits", "name", "dtype"), tables=PREPARED),
    "python": Target("Python, on NumPy alone", export_python, ("logits",), tables=PREPARED),
    "onnx": Target("ONNX", to_onnx, ("logits",), tables=TABLES),
    "torch": Target("PyTorch's state_dict", _torch, ending=".safetensors"),
    "keras": Target("Keras", _keras, ("logits",), ".keras"),
    "saved_model": Target("TensorFlow's SavedModel", to_saved_model, ("logits",)),
    "litert": Target("LiteRT", to_litert, ("logits",)),
}


def command(arguments: argparse.Namespace) -> int:
    """Carry out ``hotloop export`` and return its exit status."""
    asked = {name: getattr(arguments, name) for name in TARGETS if getattr(arguments, name) is not None}
    _check_options(arguments, asked)
    with missing_extras_as_faults():
        model, _ = read_model(arguments.model, arguments.activation, arguments.output)
        if not isinstance(model, Network):
            _check_tables(model, asked, arguments.model, arguments.logits)
        options = {name: _taken(TARGETS[name], arguments) for name in asked}
        if len(asked) > 1:  # all are tried before the first is written
            with tempfile.TemporaryDirectory() as folder:
                for name in asked:
                    TARGETS[name].write(model, str(Path(folder, name + TARGETS[name].ending)), **options[name])
        for name, file in asked.items():
            TARGETS[name].write(model, file, **options[name])
            say(f"wrote {file}: {TARGETS[name].words}, {_size(Path(file)):,} bytes")
    return 0


def _taken(target: Target, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the options of the command that a target takes."""
    return {option: getattr(arguments, option) for option in target.takes if getattr(arguments, option)}


def _check_options(arguments: argparse.Namespace, asked: dict[str, str]) -> None:
    """Raise if nothing could be written, or an option would have no effect."""
    if not asked:
        raise ValueError(f"nothing to write: name a file with {', '.join(map(_option, TARGETS))}")
    for option in ("logits", "name", "dtype"):
        takers = [name for name, target in TARGETS.items() if option in target.takes]
        if getattr(arguments, option) and not {*takers} & {*asked}:
            raise ValueError(f"--{option} is for {', '.join(map(_option, takers))}")
    for name, file in asked.items():
        if not file.endswith(TARGETS[name].ending):
            raise ValueError(f"{_option(name)} {file}: its name must end in {TARGETS[name].ending}")
        check_is_another(file, arguments.model)
        if name != "saved_model":
            check_replaceable(path_of(_option(name), file))
    if len({*map(os.path.realpath, asked.values())}) < len(asked):
        raise ValueError("two options name one file")


def _check_tables(model: Any, asked: dict[str, str], path: str, logits: bool) -> None:
    """Raise if the preparation of a table's columns would not go along."""
    kind = type(model).__name__
    if logits and "onnx" in asked:
        raise ValueError("--logits is not for the ONNX of a table: omit it")
    for name in asked:
        if kind not in TARGETS[name].tables:
            takers = ", ".join(_option(other) for other, target in TARGETS.items() if kind in target.tables)
            raise ValueError(
                f"{path} holds {with_article(kind)}, which prepares the columns of a table: {_option(name)} has no way "
                f"to do so, {takers} {'has' if takers == '--onnx' else 'have'}"
            )


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _size(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder."""
    return (
        sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) if path.is_dir() else path.stat().st_size
    )
