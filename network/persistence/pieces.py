"""Activations and losses in the configuration of a model file: names, parameters, and what only the user has."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hotloop.network.activations import ELU, Activation, LeakyReLU
from hotloop.network.custom.pieces import Custom, CustomActivation, CustomLoss
from hotloop.network.losses import Loss, loss_from_plain, plain_loss
from hotloop.network.persistence import model_file
from hotloop.network.validation.printable import with_article

WITH_SLOPES = {"leaky_relu": LeakyReLU, "elu": ELU}
CUSTOM, PARAMETER = "custom", "parameter"  # keys, beside "name"


def plain_piece(piece: Any) -> Any:
    """Return an activation or a loss as JSON has it: its name; a dict with its parameter; or what `load` asks for."""
    if isinstance(piece, Custom):
        return {CUSTOM: piece.name}
    if isinstance(piece, Activation):
        return {"name": piece.name, PARAMETER: piece.slopes[1]}
    return plain_loss(piece) if isinstance(piece, Loss) else piece


def check_names(pieces: Sequence[Any]) -> None:
    """Raise if two different custom pieces have one name."""
    found: dict[str, Any] = {}
    for piece in pieces:
        if isinstance(piece, Custom) and found.setdefault(piece.name, piece) != piece:
            raise ValueError(
                f"two custom pieces are called {piece.name!r}, and a model file has only their names: give one of them "
                "another, with name=..."
            )


def pieces_of(path: Path, config: dict[str, Any], custom: Mapping[str, Any] | None) -> tuple[list[Any], Any]:
    """Return the activations and the loss of a configuration.

    Raises
    ------
    ValueError
        If a custom piece is missing from `custom`, or the configuration is damaged.
    TypeError
        If one is not what the network needs.
    """
    given = {} if custom is None else custom
    if not isinstance(given, Mapping):
        raise TypeError(f"custom must be a dict of activations and losses by their names, got {given!r}")
    with model_file.damage_in(path):
        entries = [*config["activations"], config["loss"]]
        kinds = [CustomActivation] * (len(entries) - 1) + [CustomLoss]
        wanted = {entry[CUSTOM]: kind for entry, kind in zip(entries, kinds, strict=True) if _is_custom(entry)}
    missing = [name for name in wanted if name not in given]
    if missing:
        needed = " and ".join(f"the {_what(wanted[name])} {name!r}" for name in missing)
        example = ", ".join(f"{name!r}: {wanted[name].__name__}(...)" for name in missing)
        raise ValueError(
            f"{path} needs {needed}, which a model file has only the name of: pass custom={{{example}}} to Network.load"
        )
    for name, kind in wanted.items():
        if not isinstance(given[name], kind):
            raise TypeError(f"custom[{name!r}] must be {with_article(kind.__name__)}, got {given[name]!r}")
    with model_file.damage_in(path):
        activations = [_piece(entry, given) for entry in entries[:-1]]
        loss = given[entries[-1][CUSTOM]] if _is_custom(entries[-1]) else loss_from_plain(entries[-1])
    return activations, loss


def _is_custom(entry: Any) -> bool:
    return isinstance(entry, dict) and CUSTOM in entry


def _what(kind: type) -> str:
    return "activation" if kind is CustomActivation else "loss"


def _piece(entry: Any, given: Mapping[str, Any]) -> Any:
    if _is_custom(entry):
        return given[entry[CUSTOM]]
    return piece_of(entry)


def piece_of(entry: Any) -> Any:
    """Return the activation, none of the user's own, that `plain_piece` described."""
    return WITH_SLOPES[entry["name"]](entry[PARAMETER]) if isinstance(entry, dict) else entry
