"""How a network is trained: the part of `Network` from checked arguments to the outer loop."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network import flops
from hotloop.network.datasets.scaled_inputs import ScaledInputs
from hotloop.network.layout import Layout, aligned_zeros
from hotloop.network.losses import Loss, loss_of, with_positive_weight
from hotloop.network.training.callbacks import Callback, checked_callbacks, span
from hotloop.network.training.fit import FitConfiguration, fit
from hotloop.network.training.history import History, stopping
from hotloop.network.training.loop_arguments import LoopArguments
from hotloop.network.training.optimizers import Optimizer, optimizer_of
from hotloop.network.training.thread_stack import CALLER
from hotloop.network.training.thread_tuner import ThreadTuner
from hotloop.network.training.training_state import TrainingState
from hotloop.network.validation import arguments, arrays, weights
from hotloop.network.validation.suggestions import explains_keywords


class Trainable(ScaledInputs):
    """What `Network` inherits to be trained: its state between fits, and its methods that train."""

    activations: tuple[str, ...]
    loss: str | Loss
    label_smoothing: float
    seed: int
    l1: float
    l2: float
    dropout: tuple[float, ...]
    _layout: Layout
    _parameters: Array
    _training: TrainingState

    @property
    def optimizer(self) -> Optimizer | None:
        """Of the last fit, whose moments an equal one goes on with; None before the first, and after a reset."""
        return self._training.optimizer

    @property
    def steps(self) -> int:
        """Steps taken in all fits."""
        return self._training.steps

    @property
    def epochs_trained(self) -> int:
        """Epochs finished in all fits. With the seed it decides the next epoch's order: set it to repeat one."""
        return self._training.epochs

    @epochs_trained.setter
    def epochs_trained(self, value: int) -> None:
        self._training.epochs = arguments.whole_number("epochs_trained", value, 0, arguments.LARGEST)

    def reset_optimizer(self) -> None:
        """Drop the optimizer's moments: the next `fit` starts with new ones, whatever its optimizer.

        Raises
        ------
        RuntimeError
            In the middle of a fit.
        """
        self._training.check_no_fit_runs("reset_optimizer")
        self._training.reset()

    @explains_keywords
    def fit(
        self,
        X: Any,
        y: Any,
        *,
        epochs: int = 10,
        batch_size: int = 32,
        optimizer: Optimizer | str | None = None,
        validation_data: tuple[Any, ...] | None = None,
        sample_weight: Any = None,
        class_weight: Any = None,
        positive_weight: Any = None,
        tolerance: float | None = None,
        patience: int | None = None,
        shuffle: bool = True,
        n_threads: int | str = "auto",
        progress: bool = True,
        callbacks: Sequence[Callback] | None = None,
    ) -> History:
        """Train by gradient descent, from where the network stands.

        Parameters
        ----------
        X : array-like (N, inputs)
            Real and finite. An array of uint8, float32 or float64 in C order is used as it is, also a read-only
            ``np.memmap`` larger than memory: its rows are converted batch by batch. Others are converted as a whole,
            and so is any if the network has an `input_offset`, or an `input_scale` for each input.
        y : array-like (N, outputs)
            Targets; (N,) for one output. For cross_entropy integer classes (N,), or distributions (N, outputs).
        epochs : int, default 10
        batch_size : int, default 32
            Samples in a step: 1 for one at a time, N or more for full batches.
        optimizer : Optimizer or str, default SGD(0.01)
            SGD, RMSprop, Adagrad, Adam, AdamW, or a name. If it equals the last fit's, its moments are kept, so that
            two fits of 10 epochs give the same bits as one of 20.
        validation_data : (X, y) or (X, y, sample_weight), optional
            Evaluated after each epoch. Class weights, positive weights and label smoothing are for training only.
        sample_weight : array-like (N,), optional
            At least 0. The loss of a batch is sum w_i l_i / sum w_i over its rows, that of an epoch the mean over all
            weights: only their ratios matter. A row of weight 0 counts as if it were not there, to the bit in batches
            of up to 256 rows; dropout still counts it. A batch of zeros has loss and gradient 0.
        class_weight : dict of int to float or "balanced", optional
            A weight for each class, times the sample's own. A class that is missing weighs 1. "balanced" is
            N / (classes * rows of the class). For distributions the class is the largest entry.
        positive_weight : float or array-like (outputs,), optional
            For binary_cross_entropy: what the targets of 1 weigh, those of 0 weighing 1. The loss is
            -p y log a - (1 - y) log(1 - a), and still a mean over batch and outputs.
        tolerance : float, optional
            Stop as converged when the validation loss (or, without validation data, the training loss) has not improved
            by more than this for `patience` epochs.
        patience : int, optional
            Needs a tolerance; 5 by default.
        shuffle : bool, default True
            Whether to draw a new order of the samples for each epoch.
        n_threads : int or "auto", default "auto"
            How many threads share each step; the result is the same to the bit. "auto" tries, during the fit, one and
            more of the cores that this process may use, if a step has work for them, and keeps the fastest.
        progress : bool, default True
            Whether to show a bar on standard error, if that is a terminal.
        callbacks : sequence of Callback, optional
            Told when the fit, each epoch and each compiled call begin and end; see `hotloop.Callback`.

        Returns
        -------
        History
            Also after Ctrl-C, which keeps the parameters reached so far.

        Raises
        ------
        TypeError, ValueError
            Before anything is changed.
        RuntimeError
            Before anything is changed, if `n_threads` cannot be started, this thread's stack is below 512 KiB, or the
            network is in the middle of a fit: of a callback that calls for another, or of another thread.
        DivergenceError
            The loss, the validation loss or a parameter became infinite or NaN; the last finite parameters are kept.

        Warns
        -----
        ConvergenceWarning
            If a tolerance was given and the epochs ended before the loss converged.
        """
        epochs = arguments.whole_number("epochs", epochs, 1, arguments.LARGEST)
        batch_size = arguments.whole_number("batch_size", batch_size, 1)
        tolerance, patience = stopping(tolerance, patience)
        n_threads = arguments.threads(n_threads)
        shuffle, progress = arguments.flag("shuffle", shuffle), arguments.flag("progress", progress)
        optimizer, callbacks = optimizer_of(optimizer, self.dtype), checked_callbacks(callbacks)
        self._training.check_no_fit_runs("fit")
        if not np.isfinite(self._parameters).all():
            raise ValueError("net.parameters must be finite before training: found NaN or infinity among them")
        with span("fit"):
            with span("check the data"):
                weighting, validation = (sample_weight, class_weight, positive_weight), None
                data = self._trained_on(X, y, *weighting, batch_size, self.dropout)
                if validation_data is not None:
                    if not isinstance(validation_data, (tuple, list)) or len(validation_data) not in (2, 3):
                        raise TypeError("validation_data must be a pair (X, y), or (X, y, sample_weight)")
                    validation = self._evaluated("validation_data ", *validation_data)
            work = flops.estimate_of_a_row(self._layout.n_parameters)
            training = self._training
            with ThreadTuner(n_threads, work, int(data.settings["micro_batch"][0])) as tuner, training.only_fit():
                training.use(optimizer, self._layout.size)
                gradient = aligned_zeros(self._layout.size, self.dtype)
                data.set_optimizer(optimizer, training.steps, training.step_offset)
                configuration = FitConfiguration(
                    self, self._parameters, gradient, training, data, validation, epochs, self.seed, shuffle, n_threads,
                    tolerance, patience, progress, callbacks,
                )  # fmt: skip
                return fit(configuration, tuner)

    def _checked(self, X: Any, y: Any, prefix: str = "") -> tuple[Array, Array, Array]:
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

    def _trained_on(
        self, X: Any, y: Any, sample_weight: Any = None, class_weight: Any = None, positive_weight: Any = None,
        batch_size: int = 2**30, dropout: Sequence[float] = (),
    ) -> LoopArguments:  # fmt: skip
        """Return what the compiled loops are handed to train on data: weighted, and with smoothed labels."""
        loss, (inputs, targets, labels) = loss_of(self.loss), self._checked(X, y)
        of_rows = weights.together(
            weights.sample_weights(sample_weight, len(inputs)),
            weights.class_weights(class_weight, targets, labels, self.sizes[-1], loss),
        )
        positive = weights.positive_weights(positive_weight, self.sizes[-1], loss.name)
        if self.label_smoothing > 0 and targets.size:
            smoothing, classes = self.label_smoothing, self.sizes[-1] if loss.takes_labels else 2
            targets = targets * self.dtype.type(1 - smoothing) + self.dtype.type(smoothing / classes)
        return self._prepared(
            (inputs, targets, labels), batch_size, dropout, weights=of_rows, label_smoothing=self.label_smoothing,
            loss=self.loss if positive is None else with_positive_weight(positive),
        )  # fmt: skip

    def _prepared(
        self,
        checked: tuple[Array, Array, Array],
        batch_size: int = 2**30,
        dropout: Sequence[float] = (),
        *,
        weights: Array = weights.NONE,
        label_smoothing: float = 0.0,
        loss: str | Loss | None = None,
    ) -> LoopArguments:
        """Return what the compiled loops are handed for checked data; `loss` is the network's by default."""
        _ = CALLER.stack_is_enough
        return LoopArguments.prepare(
            self._layout, self.activations, self.loss if loss is None else loss, *checked, batch_size=batch_size,
            dropout=dropout, seed=self.seed, input_scale=self._scaling.factor, l1=self.l1, l2=self.l2, weights=weights,
            label_smoothing=label_smoothing,
        )  # fmt: skip
