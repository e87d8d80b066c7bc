"""How a network is trained: the part of `Network` from checked arguments to the outer loop."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from hotloop.kernels.jit import Array
from hotloop.network import flops
from hotloop.network.datasets.scaled_inputs import ScaledInputs
from hotloop.network.layout import Layout, aligned_zeros
from hotloop.network.losses import LOSSES
from hotloop.network.training.callbacks import ACTIVE, Callback, active, checked_callbacks, span
from hotloop.network.training.fit import FitConfiguration, fit
from hotloop.network.training.history import History, stopping
from hotloop.network.training.loop_arguments import LoopArguments
from hotloop.network.training.optimizers import Optimizer, optimizer_of
from hotloop.network.training.single_step import SingleStep
from hotloop.network.training.thread_stack import CALLER
from hotloop.network.training.thread_tuner import ThreadTuner
from hotloop.network.training.training_state import TrainingState
from hotloop.network.validation import arguments, arrays
from hotloop.network.validation.suggestions import explains_keywords


class Trainable(ScaledInputs):
    """What `Network` inherits to be trained: its state between fits, and its methods that train."""

    activations: tuple[str, ...]
    loss: str
    seed: int
    l1: float
    l2: float
    dropout: tuple[float, ...]
    max_norm: tuple[float | None, ...] | None
    _layout: Layout
    _parameters: Array
    _training: TrainingState
    _single_step: SingleStep | None = None

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
        validation_data: tuple[Any, Any] | None = None,
        gradient_norm: bool = False,
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
        validation_data : (X, y), optional
            Evaluated after each epoch.
        gradient_norm : bool, default False
            Whether the history has "gradient_norm": the mean over the epoch's steps of |g| over all parameters,
            penalties included, before it is clipped.
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
        gradient_norm = arguments.flag("gradient_norm", gradient_norm)
        optimizer = optimizer_of(optimizer, self.dtype, len(self.sizes) - 1)
        callbacks = checked_callbacks(callbacks)
        self._training.check_no_fit_runs("fit")
        if not np.isfinite(self._parameters).all():
            raise ValueError("net.parameters must be finite before training: found NaN or infinity among them")
        with span("fit"):
            with span("check the data"):
                data, validation = self._prepared(self._checked(X, y), batch_size, self.dropout), None
                if validation_data is not None:
                    if not isinstance(validation_data, (tuple, list)) or len(validation_data) != 2:
                        raise TypeError("validation_data must be a pair (X, y)")
                    validation = self._prepared(self._checked(*validation_data, prefix="validation_data "))
            work = flops.estimate_of_a_row(self._layout.n_parameters)
            training = self._training
            with ThreadTuner(n_threads, work, int(data.settings["micro_batch"][0])) as tuner, training.only_fit():
                training.use(optimizer, self._layout.size)
                gradient = aligned_zeros(self._layout.size, self.dtype)
                data.set_optimizer(optimizer, training.steps, training.step_offset, gradient_norm=gradient_norm)
                configuration = FitConfiguration(
                    self, self._parameters, gradient, training, data, validation, epochs, self.seed, shuffle, n_threads,
                    tolerance, patience, progress, callbacks, gradient_norm,
                )  # fmt: skip
                return fit(configuration, tuner)

    @explains_keywords
    def partial_fit(self, X: Any, y: Any, *, optimizer: Optimizer | str | None = None) -> float:
        """Take one training step on all of X, for data that come batch by batch.

        The same bits as ``fit(X, y, epochs=1, batch_size=len(X), shuffle=False)``. After the first step nothing is
        allocated for batches of as many rows, if X (and y, unless it has classes) are arrays of the network's dtype. It
        runs in this thread only. The step counts in `steps`; epochs are for `fit`.

        Parameters
        ----------
        X : array-like (N, inputs)
            As in `fit`; N may change from call to call.
        y : array-like
            As in `fit`.
        optimizer : Optimizer or str, optional
            By default the last fit's or step's, SGD(0.01) if there was none. If it equals that, its moments are kept.

        Returns
        -------
        float
            The loss of this batch before the step, penalties included.

        Raises
        ------
        TypeError, ValueError
            Before anything is changed.
        RuntimeError
            Before anything is changed, if the network is in the middle of a fit, or this thread's stack is too small.
        DivergenceError
            The loss, a parameter or a moment became infinite or NaN; the parameters are those before the step.
        """
        if ACTIVE.get() and active():
            with span("partial_fit"):
                return self._partial_fit(X, y, optimizer)
        return self._partial_fit(X, y, optimizer)

    def _partial_fit(self, X: Any, y: Any, given: Any) -> float:
        training, optimizer = self._training, self._training.optimizer
        if optimizer is None or not (given is None or given is optimizer):  # which was checked
            optimizer = optimizer_of(given, self.dtype, len(self.sizes) - 1)
        with training.only_fit("partial_fit"):
            step = self._single_step
            same = optimizer is training.optimizer or optimizer == training.optimizer
            if step is not None and not (same and step.is_current(vars(self))):
                step = self._single_step = None
            if step is None or not (step.load(X, y) and step.is_ready()):
                step = self._checked_step(step, self._checked(X, y), optimizer)
            return step.take()

    def _checked_step(
        self, step: SingleStep | None, checked: tuple[Array, Array, Array], optimizer: Optimizer
    ) -> SingleStep:
        """Return the step, or a new one, with a checked batch."""
        if not np.isfinite(self._parameters).all():
            raise ValueError("net.parameters must be finite before training: found NaN or infinity among them")
        if step is None or not step.load_checked(*checked):
            inputs, targets, labels = np.array(checked[0], self.dtype, order="C"), checked[1].copy(), checked[2].copy()
            training, factor = self._training, self._scaling.factor if self._scaling.in_loop else None
            data = self._prepared((inputs, targets, labels), len(inputs), self.dropout)
            data.settings["input_scale"] = 1  # the batch is scaled as it is copied
            training.use(optimizer, self._layout.size)
            data.set_optimizer(optimizer, training.steps, training.step_offset)
            step = SingleStep(vars(self), training, self._parameters, inputs, data, factor)
            step.load_checked(*checked)
            self._single_step = step
        step.is_ready()
        return step

    def _checked(self, X: Any, y: Any, prefix: str = "") -> tuple[Array, Array, Array]:
        """Return inputs, targets and labels, checked and converted."""
        inputs = self._scaled(X, f"{prefix}X")
        targets, labels = arrays.targets(
            y, len(inputs), self.sizes[-1], LOSSES[self.loss], self.dtype, f"{prefix}y", f"{prefix}X"
        )
        return inputs, targets, labels

    def _prepared(
        self, checked: tuple[Array, Array, Array], batch_size: int = 2**30, dropout: Sequence[float] = ()
    ) -> LoopArguments:
        """Return what the compiled loops are handed for checked data."""
        _ = CALLER.stack_is_enough
        return LoopArguments.prepare(
            self._layout, self.activations, self.loss, *checked, batch_size=batch_size, dropout=dropout, seed=self.seed,
            input_scale=self._scaling.factor, l1=self.l1, l2=self.l2, max_norm=self.max_norm,
        )  # fmt: skip
