"""How a network is trained: the part of `Network` from checked arguments to the outer loop."""

import math
import os
from collections.abc import Callable, Sequence
from typing import Any

from hotloop.kernels.jit import Array
from hotloop.network import flops
from hotloop.network.layout import aligned_zeros
from hotloop.network.persistence.checkpoint_writer import CheckpointedFit
from hotloop.network.training.callbacks import Callback, span
from hotloop.network.training.checked_data import FitData
from hotloop.network.training.fit import FitConfiguration, fit
from hotloop.network.training.fit_options import FitOptions
from hotloop.network.training.gradient_methods import GradientMethods
from hotloop.network.training.history import History
from hotloop.network.training.incremental import Incremental
from hotloop.network.training.kept import LastFit
from hotloop.network.training.learning_rate_methods import LearningRateMethods
from hotloop.network.training.optimizers import Optimizer
from hotloop.network.training.step_table import StepTable
from hotloop.network.training.thread_tuner import ThreadTuner
from hotloop.network.validation import arguments
from hotloop.network.validation.arguments import ScheduleFunction
from hotloop.network.validation.suggestions import explains_keywords

LARGEST_KEPT = 2**20  # bytes of scratch: to allocate more takes no time beside a step of so large a network


class Trainable(Incremental, GradientMethods, LearningRateMethods):
    """What `Network` inherits to be trained: its state between fits, and its methods that train."""

    _last_fit: LastFit | None = None
    _epoch_order: Callable[[int], Array] | None = None  # an estimator's, in place of hotloop's own orders

    @property
    def optimizer(self) -> Optimizer | None:
        """The last fit's; the next keeps its moments if it is of the same kind. None after a reset or divergence."""
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

    @explains_keywords(owner="Network")
    def reset_optimizer(self) -> None:
        """Drop the optimizer's moments: the next `fit` starts with new ones, whatever its optimizer.

        Raises
        ------
        RuntimeError
            In the middle of a fit.

        Examples
        --------
        >>> from hotloop import Network
        >>> net = Network([1, 1], seed=0)
        >>> history = net.fit([[0.0], [1.0]], [1.0, 0.0], optimizer="adam", epochs=2)
        >>> net.reset_optimizer()
        >>> net.optimizer is None
        True
        """
        self._training.check_no_fit_runs("reset_optimizer")
        self._training.reset()

    @explains_keywords(owner="Network")
    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        epochs: int = 10,
        batch_size: int | None = None,
        steps_per_epoch: int | None = None,
        optimizer: Optimizer | str | None = None,
        dropout_schedule: float | ScheduleFunction | None = None,
        validation_data: tuple[Any, ...] | None = None,
        validation_split: float = 0.0,
        sample_weight: Any = None,
        class_weight: Any = None,
        positive_weight: Any = None,
        metrics: Sequence[Any] | None = None,
        gradient_norm: bool = False,
        tolerance: float | None = None,
        patience: int | None = None,
        max_seconds: float | None = None,
        shuffle: bool = True,
        n_threads: int | str = "auto",
        progress: bool = True,
        callbacks: Sequence[Callback] | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        every: str | None = None,
        resume: str | os.PathLike[str] | bool | None = None,
    ) -> History:
        """Train by gradient descent, from where the network stands.

        Parameters
        ----------
        X : array-like (N, inputs), or an iterable of batches
            Real and finite. An array of uint8, float32 or float64 in C order is used as it is, also a read-only
            ``np.memmap`` larger than memory: its rows are converted batch by batch. Others are converted as a whole,
            and so is any if the network has an `input_offset`, or an `input_scale` for each input. Without y, an
            iterable of batches (X, y) or (X, y, sample_weight), such as a list, a `hotloop.datasets.Stream` or a
            PyTorch DataLoader, or a function that returns an iterator: read anew in each epoch. Or an iterator, which
            is read on.
        y : array-like (N, outputs)
            Targets; (N,) for one output. For cross_entropy integer classes (N,), or distributions (N, outputs). None
            for an iterable of batches.
        epochs : int, default 10
            How often the data are gone through.
        batch_size : int, default 32
            Samples in a step: 1 for one at a time, N or more for full batches. Of an iterable each batch is a step by
            default; a number cuts what it gives into batches, shuffled within.
        steps_per_epoch : int, optional
            Of an iterable: how many steps are an epoch. The next epoch goes on where it ended, and from the beginning
            where the iterable runs out. Needed for an endless one; and for a schedule, unless the steps are known: from
            a list, from a `Stream`, or without a `batch_size` from the iterable's length.
        optimizer : Optimizer or str, default SGD(0.01)
            SGD, RMSprop, Adagrad, Adam, AdamW, or a name. The moments of the last fit's are kept if it was of the same
            class (for SGD: also with the same kind of momentum), whatever its numbers and schedules; so two
            fits of 10 epochs give the same bits as one of 20, if nothing is scheduled.
        dropout_schedule : float or schedule, optional
            What the dropout rate of every layer is multiplied by in each step; see `hotloop.schedules`.
        validation_data : (X, y) or (X, y, sample_weight), optional
            Evaluated after each epoch. Class weights, positive weights and label smoothing are for training only.
        validation_split : float, default 0
            Instead of `validation_data`: the share of the rows that is held out as such, from 0 to below 1. They are
            drawn by the network's seed, the same at every fit, of each class the same share.
        sample_weight : array-like (N,), optional
            At least 0. The loss of a batch is sum w_i l_i / sum w_i over its rows, that of an epoch the mean over all
            weights: only their ratios matter. A row of weight 0 counts as if it were not there, to the bit in batches
            of up to KC rows (see `hotloop doctor`: 384 on most CPUs); dropout still counts it. A batch of zeros has
            loss and gradient 0. Of an iterable of batches, an epoch of zeros has the loss NaN in the history.
        class_weight : dict of int to float or "balanced", optional
            A weight for each class, times the sample's own. A class that is missing weighs 1. "balanced" is
            N / (classes * rows of the class), of the rows that are trained on. For distributions the class is the
            largest entry.
        positive_weight : float or array-like (outputs,), optional
            For binary_cross_entropy: what the targets of 1 weigh, those of 0 weighing 1. The loss is
            -p y log a - (1 - y) log(1 - a), and still a mean over batch and outputs.
        metrics : sequence of str or callable, optional
            Evaluated on the validation data after each epoch, beside the accuracy or the R^2: names, such as "f1" or
            "roc_auc", or functions (y_true, outputs) -> float; see `hotloop.metrics`. They are not computed on the
            training data, which would cost one more pass: `evaluate` does that.
        gradient_norm : bool, default False
            Whether the history has "gradient_norm": the mean over the epoch's steps of |g| over all parameters,
            penalties included, before it is clipped.
        tolerance : float, optional
            Stop as converged when the validation loss (or, without validation data, the training loss) has not improved
            by more than this for `patience` epochs.
        patience : int, optional
            Needs a tolerance; 5 by default.
        max_seconds : float, optional
            Stop, for the reason "time", with the first compiled call that ends after this many seconds of training
            (not of compiling). An epoch that is not finished then has no record; what it has learned is kept.
        shuffle : bool, default True
            Whether to draw a new order of the samples for each epoch.
        n_threads : int or "auto", default "auto"
            How many threads share each step; the result is the same to the bit. "auto" tries, during the fit, one and
            more of the cores that this process may use, if a step has work for them, and keeps the fastest; in a worker
            of joblib it is one.
        progress : bool, default True
            Whether to show a bar: on standard error if that is a terminal, in a notebook below the cell, else nowhere.
        callbacks : sequence of Callback, optional
            Told when the fit, each epoch and each compiled call begin and end; see `hotloop.Callback`, and
            `hotloop.callbacks` for those that there are: ``callbacks=[EarlyStopping()]`` keeps the best parameters.
        checkpoint : path, optional
            A file that is written now and then, with all that a later call needs to go on: the network, the optimizer,
            the place in the epoch, the history, the states of callbacks. It is replaced as a whole or not at all.
        every : str, default "30 s"
            How often: "30 s", "5 min", "100 steps", "1 epoch". The end of the fit, and Ctrl-C, write one more.
        resume : path or bool, optional
            A checkpoint to go on from; True for the file of `checkpoint`, if there is one, else from the beginning. The
            same network, data and arguments are needed, but for `n_threads`, `progress`, `max_seconds`, `checkpoint`,
            `every`, callbacks without a state, and more `epochs` if nothing is scheduled. The result is that of a fit
            that was never stopped, to the bit. The network's `seed` becomes that of the file.

        Returns
        -------
        History
            Also after Ctrl-C, which keeps the parameters reached so far.

        Raises
        ------
        TypeError, ValueError
            Before anything is changed; also if `resume` is a checkpoint of another fit. Later only of batches after the
            first, and of your own callbacks, metrics and schedules.
        OSError
            Before anything is changed: there is no such checkpoint, or a file that is to be written cannot be.
        RuntimeError
            Before anything is changed, if `n_threads` cannot be started, this thread's stack is below 512 KiB, or the
            network is in the middle of a fit: of a callback that calls for another, or of another thread.
        DivergenceError
            The loss, the validation loss or a parameter became infinite or NaN; the last finite parameters are kept.

        Warns
        -----
        ConvergenceWarning
            If a tolerance was given and the epochs ended before the loss converged.
        CheckpointWarning
            If a checkpoint could not be written; the fit goes on.

        Examples
        --------
        >>> import numpy as np
        >>> from hotloop import SGD, EarlyStopping, Network
        >>> X = np.linspace(-1, 1, 50).reshape(-1, 1)
        >>> net = Network([1, 8, 1], activation="tanh", seed=0)
        >>> history = net.fit(
        ...     X, X**2, epochs=50, batch_size=10, optimizer=SGD(0.2, momentum=0.9), validation_split=0.2,
        ...     callbacks=[EarlyStopping(patience=20)],
        ... )
        >>> list(history)
        ['epoch', 'loss', 'val_loss', 'val_r2', 'learning_rate', 'seconds']
        >>> history["val_r2"][-1] > 0.9
        True
        """
        if y is None and (checkpoint is not None or resume):
            raise ValueError("checkpoint and resume need data that can be read from any row: give X and y")
        options = FitOptions.checked(
            self, y is None, epochs, batch_size, steps_per_epoch, optimizer, dropout_schedule, validation_data,
            validation_split, metrics, gradient_norm, tolerance, patience, max_seconds, shuffle, n_threads, progress,
            callbacks,
        )  # fmt: skip
        checkpoints = CheckpointedFit(checkpoint, every, resume)
        training = self._training
        training.check_no_fit_runs("fit")
        self._check_parameters()
        last, self._last_fit = self._last_fit, None  # another thread's fit has its own
        if last is not None and (positive_weight is not None or not last.suits(vars(self), options)):
            last = None
        with span("fit"):
            with span("check the data"):
                weighting = sample_weight, class_weight, positive_weight
                data = self._fit_data(X, y, options, weighting, validation_data, checkpoints.seed_of(self), last)
            if checkpoint is not None or resume:
                checkpoints.check(self, data.training, data.validation, options)
            with self._tuner(options, data) as tuner, training.only_fit():
                configuration = self._run(options, data, checkpoints, last)
                history = fit(configuration, tuner)
        if last is not None and last.is_of(data.training):
            self._last_fit = last
        elif positive_weight is None:
            self._keep(configuration)
        return history

    def _tuner(self, options: FitOptions, data: FitData) -> ThreadTuner:
        settings = data.training.settings
        batch, micro_batch = int(settings["batch_size"][0]), int(settings["micro_batch"][0])
        rows = options.epochs * data.training.rows if data.parts is None else math.inf
        work, shape = flops.estimate_of_a_row(self._layout.n_parameters), (self._layout, batch, options.optimizer.code)
        return ThreadTuner(options.n_threads, work, micro_batch, rows, shape)

    def _keep(self, configuration: FitConfiguration) -> None:
        """Keep tables and scratch of a fit that has ended well, if the next one may use them."""
        data, gradient, table = configuration.data.training, configuration.gradient, configuration.table
        is_small = gradient.nbytes + data.workspace.nbytes + data.rooms.nbytes <= LARGEST_KEPT
        if is_small and configuration.data.parts is None and not table.scheduled and table.factor == 1:
            self._last_fit = LastFit(vars(self), configuration.options, data, gradient)

    def _run(
        self, options: FitOptions, data: FitData, checkpoints: CheckpointedFit, last: LastFit | None
    ) -> FitConfiguration:
        """Set the optimizer, or all that a checkpoint holds, and return what the outer loop is handed."""
        training, arguments = self._training, data.training
        first_step = checkpoints.first_step(training.steps)
        table = StepTable(
            arguments, options.optimizer, options.dropout_schedule, first_step, options.epochs, data.steps_per_epoch
        )
        start = checkpoints.restore(self, arguments, options.optimizer)
        training.use(options.optimizer, self._layout.size, table.values())
        gradient = aligned_zeros(self._layout.size, self.dtype) if last is None else last.gradient
        arguments.set_optimizer(
            options.optimizer, training.steps, training.step_offset, gradient_norm=options.gradient_norm
        )
        at_first, at_last = checkpoints.callbacks(arguments, start)
        return FitConfiguration(
            self, self._parameters, gradient, training, data, options, self.seed, table, start, at_first, at_last,
            self._epoch_order,
        )  # fmt: skip
