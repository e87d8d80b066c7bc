"""The user's data, checked, as the compiled loops take them: for training, with weights and smoothed labels, or not."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network.activations import Activation
from hotloop.network.datasets.scaled_inputs import ScaledInputs
from hotloop.network.layout import Layout
from hotloop.network.losses import Loss, loss_of, with_positive_weight
from hotloop.network.training.conventions import HOTLOOP, Conventions
from hotloop.network.training.fit_options import DEFAULT_BATCH, FitOptions
from hotloop.network.training.kept import LastFit
from hotloop.network.training.loop_arguments import LoopArguments
from hotloop.network.training.parts import Parts, Prepare
from hotloop.network.training.thread_stack import CALLER
from hotloop.network.training.validation_split import rows_held_out, validation_pair
from hotloop.network.validation import arrays, weights

Checked = tuple[Array, Array, Array]  # inputs, targets, labels


@dataclass
class FitData:
    """What a fit trains on and is validated with; of data in parts, `training` is the first."""

    training: LoopArguments
    validation: LoopArguments | None = None
    parts: Parts | None = None
    steps_per_epoch: int | None = None  # None if nothing must know it


class CheckedData(ScaledInputs):
    """The part of `Network` that checks data."""

    activations: tuple[str | Activation, ...]
    loss: str | Loss
    label_smoothing: float
    seed: int
    l1: float
    l2: float
    dropout: tuple[float, ...]
    input_dropout: float
    max_norm: tuple[float | None, ...] | None
    _conventions: Conventions = HOTLOOP
    _layout: Layout
    _parameters: Array

    def _check_parameters(self) -> None:
        if not np.isfinite(self._parameters).all():
            raise ValueError("net.parameters must be finite before training: found NaN or infinity among them")

    def _checked(self, X: Any, y: Any, prefix: str = "") -> Checked:
        """Return inputs, targets and labels, checked and converted."""
        inputs, loss = self._scaled(X, f"{prefix}X"), loss_of(self.loss)
        columns = loss.target_columns(self.sizes[-1])
        targets, labels = arrays.targets(y, len(inputs), columns, loss, self.dtype, f"{prefix}y", f"{prefix}X")
        return inputs, targets, labels

    def _evaluated(self, prefix: str, X: Any, y: Any, sample_weight: Any = None) -> LoopArguments:
        """Return what the compiled loops are handed to evaluate data."""
        checked, argument = self._checked(X, y, prefix), f"{prefix}sample_weight"
        of_rows = weights.sample_weights(sample_weight, len(checked[0]), argument, f"{prefix}X")
        return self._prepared(checked, weights=of_rows)

    def _held_out(self, checked: Checked, sample_weight: Any, rows: Array) -> LoopArguments:
        """Return what the compiled loops are handed to evaluate some rows of the training data."""
        of_rows = weights.sample_weights(sample_weight, len(checked[0]))
        inputs, targets, labels = (array[rows] if array.size else array for array in checked)
        return self._prepared((inputs, targets, labels), weights=of_rows[rows] if of_rows.size else of_rows)

    def _trained_on(
        self, checked: Checked, sample_weight: Any = None, class_weight: Any = None, positive_weight: Any = None,
        batch_size: int = 2**30, kept: Array | None = None, *, dropout: bool = False, batch: bool = False,
        like: LoopArguments | LastFit | None = None,
    ) -> LoopArguments:  # fmt: skip
        """Return what the compiled loops are handed to train on data: weighted, and with smoothed labels.

        `kept` are the rows that are trained on, where others are held out. `batch` says that the data are one batch of
        many, whose weights count beside those of the others. `like` is what was returned for another, which is done
        with.
        """
        loss, (inputs, targets, labels) = loss_of(self.loss), checked
        of_rows = weights.together(
            weights.sample_weights(sample_weight, len(inputs), batch=batch),
            weights.class_weights(class_weight, targets, labels, self.sizes[-1], loss, kept, batch=batch),
            batch=batch,
        )
        smoothed = inputs, self._smoothed(targets), labels
        if like is not None and (found := like.for_batch(*smoothed, of_rows)) is not None:
            return found
        positive = weights.positive_weights(positive_weight, self.sizes[-1], loss.name)
        return self._prepared(
            smoothed, batch_size, dropout=dropout, weights=of_rows,
            label_smoothing=self.label_smoothing,
            loss=self.loss if positive is None else with_positive_weight(positive),
        )  # fmt: skip

    def _fit_data(
        self, X: Any, y: Any, options: FitOptions, weighting: tuple[Any, Any, Any], validation_data: Any, seed: int,
        last: LastFit | None = None,
    ) -> FitData:  # fmt: skip
        """Return the data of a fit, checked: the arguments of `Network.fit`, with its three kinds of weights as one.

        `seed` draws the rows that are held out. `last` is the fit before, if this one may have its scratch.
        """
        if y is None:
            data = self._in_parts(X, options, *weighting)
        else:
            checked = self._checked(X, y)
            kept, fraction, size = None, options.validation_split, options.batch_size or DEFAULT_BATCH
            if fraction > 0:
                kept, held_out = rows_held_out(fraction, seed, loss_of(self.loss), *checked[1:])
            training = self._trained_on(checked, *weighting, size, kept, dropout=True, like=last)
            data = FitData(training)
            if kept is not None:
                # The arrays stay as they are: each epoch's order has only the rows that are kept.
                training.kept, data.validation = kept, self._held_out(checked, weighting[0], held_out)
                if training.total_weight == 0 or data.validation.total_weight == 0:
                    whose = "left to train on" if training.total_weight == 0 else "held out"
                    raise ValueError(f"validation_split={fraction:g}: the rows {whose} all have weight 0")
            data.steps_per_epoch = training.batches
        if validation_data is not None:
            data.validation = self._evaluated("validation_data ", *validation_pair(validation_data))
        return data

    def _in_parts(
        self, X: Any, options: FitOptions, sample_weight: Any, class_weight: Any, positive_weight: Any
    ) -> FitData:
        """Return the data of a fit from an iterable."""
        if sample_weight is not None:
            raise ValueError("sample_weight comes with each batch: (X, y, sample_weight)")
        if isinstance(class_weight, str):
            raise ValueError("class_weight='balanced' needs all rows at once: give a dict")
        size = 2**30 if options.batch_size is None else options.batch_size
        prepare = self._part_of(size, class_weight, positive_weight)
        parts = Parts(X, options.steps_per_epoch, options.epochs, options.batch_size, prepare)
        scheduled = options.optimizer.schedules or options.dropout_schedule is not None
        return FitData(parts.first, parts=parts, steps_per_epoch=parts.steps_in_epoch() if scheduled else None)

    def _part_of(self, batch_size: int, class_weight: Any, positive_weight: Any) -> Prepare:
        """Return what checks a part of the data, of which each epoch has many."""
        last: LoopArguments | None = None

        def prepare(name: str, X: Any, y: Any, sample_weight: Any) -> LoopArguments:
            nonlocal last
            checked = self._checked(X, y, name)
            weighting = sample_weight, class_weight, positive_weight
            part = self._trained_on(checked, *weighting, batch_size, dropout=True, batch=True, like=last)
            last = replace(part)  # as it is before it is trained on
            return part

        return prepare

    def _smoothed(self, targets: Array) -> Array:
        """Return dense targets with their labels smoothed; integer labels are smoothed in the loop."""
        if self.label_smoothing == 0 or not targets.size:
            return targets
        smoothing, classes = self.label_smoothing, self.sizes[-1] if loss_of(self.loss).takes_labels else 2
        smoothed: Array = targets * self.dtype.type(1 - smoothing) + self.dtype.type(smoothing / classes)
        return smoothed

    def _prepared(
        self, checked: Checked, batch_size: int | None = None, *, dropout: bool = False, weights: Array = weights.NONE,
        label_smoothing: float = 0.0, loss: str | Loss | None = None,
    ) -> LoopArguments:  # fmt: skip
        """Return what the compiled loops are handed for checked data; `loss` is the network's by default."""
        _ = CALLER.stack_is_enough
        return LoopArguments.prepare(
            self._layout, self.activations, self.loss if loss is None else loss, *checked, batch_size=batch_size,
            dropout=self.dropout if dropout else (), input_dropout=self.input_dropout if dropout else 0.0,
            seed=self.seed, input_scale=self._scaling.factor, l1=self.l1, l2=self.l2, max_norm=self.max_norm,
            weights=weights, label_smoothing=label_smoothing, conventions=self._conventions,
        )  # fmt: skip
