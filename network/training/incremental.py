"""Training a step at a time: the part of `Network` that owns `partial_fit`."""

from typing import Any

import numpy as np

from hotloop.network.training.callbacks import ACTIVE, active, span
from hotloop.network.training.checked_data import Checked, CheckedData
from hotloop.network.training.optimizers import Optimizer, optimizer_of
from hotloop.network.training.single_step import SingleStep
from hotloop.network.training.thread_stack import CALLER
from hotloop.network.training.training_state import TrainingState
from hotloop.network.validation import weights
from hotloop.network.validation.suggestions import explains_keywords


class Incremental(CheckedData):
    """What `Network` inherits to be trained batch by batch."""

    _training: TrainingState
    _single_step: SingleStep | None = None

    @explains_keywords(owner="Network")
    def partial_fit(
        self, X: Any, y: Any, *, optimizer: Optimizer | str | None = None, sample_weight: Any = None
    ) -> float:
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
            By default the last fit's or step's, SGD(0.01) if there was none. Its moments are kept as in `fit`. Nothing
            of it may be scheduled, for nobody knows how many steps there will be.
        sample_weight : array-like (N,), optional
            As in `fit`.

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

        Examples
        --------
        >>> from hotloop import Network
        >>> net = Network([1, 8, 1], seed=0)
        >>> losses = [net.partial_fit([[0.0], [0.5], [1.0]], [0.0, 1.0, 0.0], optimizer="adam") for _ in range(100)]
        >>> losses[-1] < losses[0], net.steps
        (True, 100)
        """
        if ACTIVE.get() and active():
            with span("partial_fit"):
                return self._partial_fit(X, y, optimizer, sample_weight)
        return self._partial_fit(X, y, optimizer, sample_weight)

    def _partial_fit(self, X: Any, y: Any, given: Any, sample_weight: Any) -> float:
        _ = CALLER.stack_is_enough
        training, optimizer = self._training, self._training.optimizer
        if optimizer is None or not (given is None or given is optimizer):  # which was checked
            optimizer = optimizer_of(given, self.dtype, len(self.sizes) - 1)
        if optimizer.schedules:
            raise ValueError(
                f"{next(iter(optimizer.schedules))} is scheduled, and partial_fit does not know how many steps there "
                "will be: give an optimizer with a number"
            )
        with training.only_fit("partial_fit"):
            step = self._single_step
            same = optimizer is training.optimizer or optimizer == training.optimizer
            if step is not None and not (same and step.is_current(vars(self))):
                step = self._single_step = None
            if step is None or sample_weight is not None or not (step.load(X, y) and step.is_ready()):
                step = self._checked_step(step, self._checked(X, y), optimizer, sample_weight)
            return step.take()

    def _checked_step(
        self, step: SingleStep | None, checked: Checked, optimizer: Optimizer, sample_weight: Any
    ) -> SingleStep:
        """Return the step, or a new one, with a checked batch."""
        self._check_parameters()
        of_rows, (inputs, targets, labels) = weights.sample_weights(sample_weight, len(checked[0])), checked
        targets = self._smoothed(targets)
        if step is None or not step.load_checked(inputs, targets, labels, of_rows):
            arrays = np.array(inputs, self.dtype, order="C"), targets.copy(), labels.copy()
            factor = self._scaling.factor if self._scaling.in_loop else None
            data = self._prepared(
                arrays, len(inputs), dropout=True, weights=of_rows.copy(), label_smoothing=self.label_smoothing
            )
            data.settings["input_scale"] = 1  # the batch is scaled as it is copied
            training, unchanged = self._training, targets is checked[1]
            training.use(optimizer, self._layout.size)
            data.set_optimizer(optimizer, training.steps, training.step_offset)
            step = SingleStep(vars(self), training, self._parameters, arrays[0], data, factor, unchanged)
            step.load_checked(inputs, targets, labels, of_rows)
            self._single_step = step
        step.is_ready()
        return step
