"""How the tabular estimators train: every number of the recipe in one table, and its presets."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, asdict, dataclass, fields, replace
from types import MappingProxyType
from typing import Any, Self, cast

from hotloop.network.activations import hidden_activation
from hotloop.network.training.schedules import Constant, Cosine, CosLog4, FlatCosine, OneCycle
from hotloop.network.validation import arguments
from hotloop.network.validation.arguments import Fraction, NotNegative, NotNegativeOrNone, Positive
from hotloop.network.validation.printable import shown
from hotloop.network.validation.suggestions import explains_its_keywords

MOST_BINS = 2048  # of all columns together
FEWEST_BINS = 4  # of a column
CLASSES, VALUES = "classes", "values"  # what is predicted
MORE_EPOCHS = 4  # times as many, for a small table
RATES: Mapping[str, Callable[[float], Any]] = MappingProxyType({
    "coslog4": CosLog4, "cosine": Cosine, "flat_cosine": FlatCosine, "one_cycle": OneCycle, "constant": Constant,
})  # fmt: skip


@explains_its_keywords
@dataclass(frozen=True, repr=False)
class Recipe:
    """What a tabular network is, and how it is trained. The defaults are those of RealMLP-TD-S for classes.

    Source: Holzmüller, Grinsztajn and Steinwart (2024), Better by default, tables 1 and B.1.

    Parameters
    ----------
    hidden_sizes : sequence of int, default (256, 256, 256)
        Units of each hidden layer.
    activation : str, default "selu"
    epochs : int, default 256
    steps : int, default 0
        At least so many in all, if that takes at most four times as many epochs: small tables need more.
    batch_size : int, default 256
        At most so many rows a step: an epoch's batches are of equal size, but for one row.
    learning_rate : float, default 0.04
        The highest of the schedule, for a weight with one input: a layer's weights have it divided by sqrt(fan_in).
    schedule : str, default "coslog4"
        Of the learning rate: "coslog4", "cosine", "flat_cosine", "one_cycle" or "constant".
    beta2, epsilon : float, default 0.95 and 1e-8
        Of Adam.
    label_smoothing : float, default 0.1
        Of classes.
    input_scale_factor : float or None, default 6
        What multiplies the learning rate of the scale of each input; None for no such scale.
    bias_factor : float, default 0.1
        What multiplies the learning rate of biases.
    bias_std : float, default 1
        Biases start from N(0, bias_std^2), those of the last layer at 0.
    learn_activation : bool, default False
        Whether activations are (1 - a) z + a f(z), with an a for each unit that is learnt.
    activation_factor : float, default 0.1
        What multiplies the learning rate of a.
    dropout, weight_decay : float, default 0
        Of hidden units; and of weights, decoupled. Both fall along a cosine to 0 in the second half of the run.
    validation_fraction : float, default 0.2
        Share of the rows that is held out, to choose the epoch; 0 to keep the last epoch.
    numeric_bins : int, default 0
        Bins of the piecewise-linear encoding that a column of numbers has besides; 0 for none. A table of more than
        2048 / bins columns has fewer, for the first layer not to take most of the time, and none where less than 4.
    n_ensemble : int, default 1
        How many networks are trained, if the estimator does not say it.
    prefer : {"last", "first"}
        Which of several epochs that are equally good to go back to.
    clip : bool, default True
        Whether predicted values are cut off at the least and the largest target.

    Examples
    --------
    >>> from hotloop.estimators import Recipe, TabularClassifier
    >>> recipe = Recipe(hidden_sizes=(64, 64), activation="mish", epochs=100, n_ensemble=2)
    >>> TabularClassifier(preset=recipe).preset
    Recipe(hidden_sizes=(64, 64), activation='mish', epochs=100, n_ensemble=2)
    """

    _: KW_ONLY
    hidden_sizes: Sequence[int] = (256, 256, 256)
    activation: Any = "selu"
    epochs: int = 256
    steps: Any = 0
    batch_size: int = 256
    learning_rate: Positive = 0.04
    schedule: str = "coslog4"
    beta2: Fraction = 0.95
    epsilon: Positive = 1e-8
    label_smoothing: Fraction = 0.1
    input_scale_factor: NotNegativeOrNone = 6.0
    bias_factor: NotNegative = 0.1
    bias_std: NotNegative = 1.0
    learn_activation: bool = False
    activation_factor: NotNegative = 0.1
    dropout: Fraction = 0.0
    weight_decay: Fraction = 0.0
    validation_fraction: Fraction = 0.2
    numeric_bins: Any = 0
    n_ensemble: int = 1
    prefer: str = "last"
    clip: bool = True

    def __post_init__(self) -> None:
        """Check every field."""
        for field in fields(self):
            checked = arguments.checked_field(field.name, field.type, getattr(self, field.name))
            object.__setattr__(self, field.name, checked)
        if isinstance(self.hidden_sizes, str) or not isinstance(self.hidden_sizes, Sequence):
            raise TypeError(f"hidden_sizes must be a sequence of whole numbers, got {shown(self.hidden_sizes)}")
        sizes = tuple(arguments.whole_number("hidden_sizes", size, 1) for size in self.hidden_sizes)
        object.__setattr__(self, "hidden_sizes", sizes)
        for name in ("numeric_bins", "steps"):
            arguments.whole_number(name, getattr(self, name), 0)
        object.__setattr__(self, "activation", hidden_activation(self.activation))
        arguments.choose("schedule", self.schedule, RATES)
        arguments.choose("prefer", self.prefer, {"last": 0, "first": 0})
        if self.validation_fraction > 0.5:
            raise ValueError(f"validation_fraction must be at most 0.5, got {self.validation_fraction:g}")

    def __repr__(self) -> str:
        """Return the call that makes it."""
        changed = [field for field in fields(self) if getattr(self, field.name) != field.default]
        return f"Recipe({', '.join(f'{field.name}={getattr(self, field.name)!r}' for field in changed)})"

    def bins_of(self, n_columns: int) -> int:
        """Return the bins of a column in a table of `n_columns` columns."""
        bins = min(int(self.numeric_bins), MOST_BINS // n_columns)
        return 0 if bins < min(FEWEST_BINS, self.numeric_bins) else bins

    def for_rows(self, n_rows: int, most_epochs: int | None = None) -> Self:
        """Return the recipe with its number of epochs for `n_rows` rows to train on, at most `most_epochs`."""
        wanted = math.ceil(self.steps / math.ceil(n_rows / self.batch_size))
        epochs = max(self.epochs, min(wanted, MORE_EPOCHS * self.epochs))
        return replace(self, epochs=epochs if most_epochs is None else min(epochs, most_epochs))

    def plain(self) -> dict[str, Any]:
        """Return the fields as JSON has them."""
        return asdict(self)

    @classmethod
    def of(cls, preset: Any, of: str) -> Self:
        """Return the recipe that a user asks for.

        Parameters
        ----------
        preset : str or Recipe
        of : {CLASSES, VALUES}
        """
        if isinstance(preset, Recipe):
            recipe: Any = preset
        elif isinstance(preset, str):
            recipe = arguments.choose("preset", preset, PRESETS[of])
        else:
            raise TypeError(f"preset must be one of {', '.join(PRESETS[of])}, or a Recipe, got {shown(preset)}")
        return cast(Self, recipe)


REALMLP_CLASSES = Recipe()
REALMLP_VALUES = Recipe(activation="mish", learning_rate=0.07, label_smoothing=0.0)


def _presets(realmlp: Recipe, **changes: Any) -> Mapping[str, Recipe]:
    """Return the presets: RealMLP's, and those with fewer epochs, or more networks, and what has been changed.

    Four networks of half RealMLP's width are trained, and predict, in the time of one of its width, and err less.
    """
    default = replace(realmlp, hidden_sizes=(128, 128, 128), epochs=64, steps=2000, n_ensemble=4, **changes)
    return MappingProxyType({
        "default": default,
        "fast": replace(default, epochs=32, steps=1000, n_ensemble=1),
        "best": replace(default, steps=4000, n_ensemble=8),
        "realmlp": realmlp,
    })  # fmt: skip


PRESETS: Mapping[str, Mapping[str, Recipe]] = MappingProxyType({
    CLASSES: _presets(REALMLP_CLASSES),
    VALUES: _presets(REALMLP_VALUES, learning_rate=0.035, numeric_bins=16),
})  # fmt: skip
