"""The words of other libraries for keyword arguments of one function or class, by its public name.

What stands for a word is our argument, or, if there is none, a sentence. Words that mean the same everywhere are in
`suggestions.KEYWORDS`. A class also has the words of its base classes.
"""

from collections.abc import Mapping

FIXED_STEPS = "The steps are of a fixed length, about 1e-4."
WHOLE_RUN = "A schedule goes over the whole run; hotloop.schedules.Piecewise gives it a part."
ONLY_EPOCHS = "It writes the numbers of each epoch's record, and nothing else."
FILE_HAS_ALL = "A file has the whole network: its parameters, and what it is made of."
TO_ESTIMATOR = "Give it to the estimator, such as TabularClassifier({}=...)."
BEST_EPOCH = "It goes back to the best epoch by itself, on rows held out or on fit(X, y, eval_set=(X_val, y_val))."
BY_SCORE = "The best epoch is that of the accuracy, or of the squared error."
OF_RECIPE = (
    "epochs", "hidden_sizes", "activation", "batch_size", "learning_rate", "schedule", "beta2", "epsilon", "dropout",
    "weight_decay", "label_smoothing", "validation_fraction", "numeric_bins", "clip",
)  # fmt: skip
TO_RECIPE = {
    "n_epochs": "epochs", "num_epochs": "epochs", "max_iter": "epochs", "iterations": "epochs", "n_iter": "epochs",
    "hidden_layer_sizes": "hidden_sizes", "hidden_layers": "hidden_sizes", "layers": "hidden_sizes",
    "lr": "learning_rate", "learning_rate_init": "learning_rate", "eta": "learning_rate", "act": "activation",
    "p_drop": "dropout", "dropout_rate": "dropout", "ls_eps": "label_smoothing", "wd": "weight_decay",
    "bs": "batch_size", "lr_sched": "schedule", "n_bins": "numeric_bins",
}  # fmt: skip
RECORDED = "Nothing is printed: the bar shows the epochs, and the history has them."

# The moments of callbacks in Keras, PyTorch Lightning and fastai.
MOMENTS = {
    "on_train_begin": "on_fit_begin", "on_train_end": "on_fit_end", "on_batch_begin": "on_call_begin",
    "on_batch_end": "on_step", "on_train_batch_begin": "on_call_begin", "on_train_batch_end": "on_step",
    "on_train_start": "on_fit_begin", "on_fit_start": "on_fit_begin", "on_train_batch_start": "on_call_begin",
    "on_train_epoch_start": "on_epoch_begin", "on_train_epoch_end": "on_epoch_end",
    "on_validation_epoch_end": "on_epoch_end", "before_fit": "on_fit_begin", "after_fit": "on_fit_end",
    "before_epoch": "on_epoch_begin", "after_epoch": "on_epoch_end", "before_batch": "on_call_begin",
    "after_batch": "on_step", "after_step": "on_step",
}  # fmt: skip

WORDS: Mapping[str, Mapping[str, str]] = {
    # Network and its methods.
    "Network": {
        "norm": "layer_norm", "normalization": "layer_norm", "layernorm": "layer_norm",
        "batch_norm": "hotloop has no batch normalisation: layer_norm=True normalises each row over a layer's units.",
        "batch_normalization": "hotloop has no batch normalisation: layer_norm=True normalises each row instead.",
        "input_size": "sizes", "output_size": "sizes", "hidden_sizes": "sizes", "dropout_prob": "dropout",
    },
    "Network.fit": {
        "optim": "optimizer", "schedule": "Give a schedule to the optimizer: SGD(hotloop.schedules.Cosine(0.1)).",
        "learning_rate_schedule": "Give a schedule to the optimizer: SGD(hotloop.schedules.Cosine(0.1)).",
        "learning_rate_scheduler": "Give a schedule to the optimizer: SGD(hotloop.schedules.Cosine(0.1)).",
    },
    "Network.fit_one_cycle": {
        "max_lr": "max_learning_rate", "lr_max": "max_learning_rate", "lr": "max_learning_rate",
        "learning_rate": "max_learning_rate", "n_epoch": "epochs", "cyc_len": "epochs", "div_factor": "div",
        "final_div_factor": "div_final", "final_div": "div_final", "moms": "momentum", "pct": "pct_start",
        "wd": "Give a decay to the optimizer: optimizer=AdamW(weight_decay=0.01).",
        "weight_decay": "Give a decay to the optimizer: optimizer=AdamW(weight_decay=0.01).",
    },
    "Network.find_learning_rate": {
        "start_lr": "start", "min_lr": "start", "end_lr": "end", "max_lr": "end", "num_it": "steps",
        "num_iter": "steps", "num_training": "steps", "n_steps": "steps",
        "stop_div": "It ends where the smoothed loss is four times its best.",
        "early_stop_threshold": "It ends where the smoothed loss is four times its best.",
        "show_plot": "Draw what it returns: .plot().",
        "suggest_funcs": "What it returns has all four: .valley, .slide, .steep and .minimum.",
    },
    "Network.partial_fit": {
        "classes": "The network has an output for each class from the start.",
        "lr": "Give it to the optimizer: partial_fit(X, y, optimizer=Adam(learning_rate=0.01)).",
        "learning_rate": "Give it to the optimizer: partial_fit(X, y, optimizer=Adam(learning_rate=0.01)).",
    },
    "Network.check_gradients": {
        "eps": FIXED_STEPS, "epsilon": FIXED_STEPS,
        "atol": "What it returns has the error of each layer: .layers.", "n": "per_layer",
        "rtol": "What it returns has the error of each layer: .layers.", "samples": "per_layer",
    },
    "Network.load": {
        "filepath": "path", "filename": "path", "file": "path", "f": "path", "custom_objects": "custom",
        "compile": "The optimizer is loaded with the network.", "safe_mode": "A file has no code.",
        "weights_only": "A file has no code.", "map_location": "hotloop runs on the CPU.",
        "device": "hotloop runs on the CPU.", "strict": FILE_HAS_ALL,
    },
    "Network.save": {
        "filepath": "path", "filename": "path", "file": "path", "f": "path", "save_format": FILE_HAS_ALL,
        "include_optimizer": "The optimizer is saved with the network; net.reset_optimizer() drops its moments.",
        "overwrite": "A file is replaced as a whole, or not at all.",
    },
    # Callbacks.
    "Callback": {"verbose": RECORDED},
    "Monitor": {"metric": "monitor", "threshold": "min_delta", "tolerance": "min_delta", "tol": "min_delta"},
    "EarlyStopping": {
        "restore_best_weights": "restore_best", "n_iter_no_change": "patience", "stopping_rounds": "patience",
        "min_epochs": "start_from_epoch",
    },
    "ModelCheckpoint": {
        "filepath": "path", "filename": "path", "dirpath": "path", "fname": "path", "save_weights_only": FILE_HAS_ALL,
        "save_freq": "It saves after an epoch. For a fit that goes on after a kill: fit(..., checkpoint='run.st').",
        "every_n_epochs": "It saves after each epoch that is the best so far; save_best_only=False: after each.",
        "save_top_k": "One file is the best; numbers in its name, such as {epoch}, keep all that were.",
    },
    "ReduceLROnPlateau": {"epsilon": "min_delta", "lr_factor": "factor", "minimum": "min_lr", "eps": "min_delta"},
    "CSVLogger": {
        "filename": "path", "filepath": "path", "fname": "path", "separator": "Cells are separated by commas.",
        "sep": "Cells are separated by commas.",
    },
    "TensorBoard": {
        "logdir": "log_dir", "path": "log_dir", "histogram_freq": ONLY_EPOCHS, "write_graph": ONLY_EPOCHS,
        "write_images": ONLY_EPOCHS, "update_freq": ONLY_EPOCHS, "profile_batch": ONLY_EPOCHS,
    },
    "LivePlot": {
        "metrics": "names", "metric": "names", "monitor": "names", "groups": "names", "name": "names",
        "update_every": "It draws twice a second at most, and for 5 % of the time.",
    },
    "LambdaCallback": MOMENTS,
    # Schedules.
    "Schedule": {
        "lr": "start", "learning_rate": "start", "initial_learning_rate": "start", "learning_rate_init": "start",
        "base_lr": "start", "eta_min": "end", "min_lr": "end", "gamma": "factor", "decay_rate": "factor",
        "optimizer": "Give the schedule to the optimizer: SGD(hotloop.schedules.Cosine(0.1)).",
        "last_epoch": "Steps are counted by the fit.", "total_iters": WHOLE_RUN, "total_steps": WHOLE_RUN,
        "decay_steps": WHOLE_RUN, "epochs": WHOLE_RUN, "steps_per_epoch": WHOLE_RUN, "T_max": WHOLE_RUN,
        "warmup_steps": "For a warm-up: LinearWarmup(the schedule, '1 epoch').",
        "warmup_epochs": "For a warm-up: LinearWarmup(the schedule, '1 epoch').",
    },
    "Constant": {"lr": "value", "learning_rate": "value", "factor": "value"},
    "StepDecay": {"step_size": "every", "decay_steps": "every", "drop_rate": "factor", "epochs_drop": "every"},
    "Exponential": {"decay_steps": "every", "staircase": "StepDecay falls in steps."},
    "InverseScaling": {"power_t": "power", "decay_steps": "every"},
    "Cosine": {"alpha": "end", "minimum": "end"},
    "CosineWarmRestarts": {"eta_min": "minimum", "min_lr": "minimum", "first_decay_steps": "T_0", "t_mul": "T_mult"},
    "OneCycle": {
        "max_lr": "peak", "lr_max": "peak", "max_learning_rate": "peak", "lr": "peak", "learning_rate": "peak",
        "div": "Give start, which is peak / 25 by default.", "div_final": "Give end, which is peak / 1e5 by default.",
        "div_factor": "OneCycle.pytorch takes it.", "final_div_factor": "OneCycle.pytorch takes it.",
        "anneal_strategy": "It is a cosine.", "three_phase": "It has two phases.",
        "cycle_momentum": "Momentum has its own: SGD(OneCycle(0.1), momentum=OneCycle(0.85, 0.95, 0.95)).",
        "base_momentum": "Momentum has its own: SGD(OneCycle(0.1), momentum=OneCycle(0.85, 0.95, 0.95)).",
    },
    "FlatCosine": {"pct_start": "flat", "div_final": "Give end, which is start / 1e5 by default."},
    "CosLog4": {"lr": "peak", "learning_rate": "peak", "start": "peak", "max_lr": "peak"},
    "LinearWarmup": {
        "warmup_steps": "duration", "warmup_epochs": "duration", "total_iters": "duration", "steps": "duration",
        "schedule": "then", "after": "then", "after_scheduler": "then", "lr": "then", "learning_rate": "then",
    },
    "Piecewise": {
        "boundaries": "Give pairs (end, value): Piecewise([(0.5, 0.1), (1.0, 0.01)]).",
        "milestones": "Give pairs (end, value): Piecewise([(0.5, 0.1), (1.0, 0.01)]).",
        "values": "Give pairs (end, value): Piecewise([(0.5, 0.1), (1.0, 0.01)]).", "schedules": "pieces",
    },
    # Activations, losses and metrics with parameters.
    "LeakyReLU": {"negative_slope": "slope", "alpha": "slope"},
    "ELU": {"a": "alpha"},
    "metric": {
        "y_pred": "outputs", "y_score": "outputs", "y_prob": "outputs", "y_proba": "outputs", "probas_pred": "outputs",
        "predictions": "outputs", "preds": "outputs", "target": "y_true", "targets": "y_true", "y": "y_true",
        "labels": "The classes are 0, 1, ..., as many as the outputs have columns.",
        "pos_label": "The positive class is 1.", "zero_division": "What is divided by 0 is 0.",
        "multi_class": "For several classes it is the mean over them, one against the rest.",
        "normalize": "It is a share; times the rows it is a count.", "squared": "There are mse and rmse.",
        "weights": "sample_weight", "w": "sample_weight", "multioutput": "It is the mean over the outputs.",
    },
    "pinball": {"alpha": "levels", "quantile": "levels", "tau": "levels"},
    "Quantile": {"quantile": "levels", "quantiles": "levels", "q": "levels", "alpha": "levels", "tau": "levels"},
    "Huber": {"beta": "delta"},
    # The estimators.
    "mlp": {
        "epochs": "max_iter", "n_epochs": "max_iter", "num_epochs": "max_iter", "n_iter": "max_iter",
        "iterations": "max_iter", "lr": "learning_rate_init", "eta": "learning_rate_init", "seed": "random_state",
        "random_seed": "random_state", "hidden_layers": "hidden_layer_sizes", "hidden_sizes": "hidden_layer_sizes",
        "layers": "hidden_layer_sizes", "sizes": "hidden_layer_sizes", "optimizer": "solver", "l2": "alpha",
        "weight_decay": "alpha", "n_jobs": "n_threads", "time_limit": "max_seconds", "max_time": "max_seconds",
        "validation_split": "validation_fraction", "patience": "n_iter_no_change", "tolerance": "tol",
        "beta1": "beta_1", "beta2": "beta_2", "nesterov": "nesterovs_momentum", "class_weights": "class_weight",
        "validation_data": "Give it to fit: fit(X, y, validation_data=(X_val, y_val)).",
        "eval_set": "Give it to fit: fit(X, y, validation_data=(X_val, y_val)).", "device": "hotloop runs on the CPU.",
    },
    "tabular": {
        **{name: f"Recipe has it: preset=Recipe({name}=...)." for name in OF_RECIPE},
        **{theirs: f"Recipe has it: preset=Recipe({ours}=...)." for theirs, ours in TO_RECIPE.items()},
        "n_estimators": "These are networks, not trees; n_ensemble is how many are averaged.",
        "n_ens": "n_ensemble", "n_cv": "n_ensemble", "n_models": "n_ensemble", "eval_metric": BY_SCORE,
        "val_metric_name": BY_SCORE, "metric": BY_SCORE, "scoring": BY_SCORE, "early_stopping": BEST_EPOCH,
        "early_stopping_rounds": BEST_EPOCH, "patience": BEST_EPOCH, "n_iter_no_change": BEST_EPOCH,
        "cat_features": "categorical", "categorical_features": "categorical", "categorical_feature": "categorical",
        "cat_col_names": "categorical", "class_weights": "class_weight", "seed": "random_state",
        "random_seed": "random_state", "n_jobs": "n_threads", "nthread": "n_threads", "thread_count": "n_threads",
        "max_seconds": "time_limit", "max_time": "time_limit", "timeout": "time_limit", "time_budget": "time_limit",
        "verbosity": "verbose", "device": "hotloop runs on the CPU.",
        "eval_set": "Give it to fit: fit(X, y, eval_set=(X_val, y_val)).",
    },
    "tabular fit": {
        "validation_data": "eval_set", "validation_set": "eval_set", "X_val": "Give eval_set=(X_val, y_val).",
        "y_val": "Give eval_set=(X_val, y_val).", "weight": "sample_weight", "weights": "sample_weight",
        "sample_weights": "sample_weight", "eval_metric": BY_SCORE, "early_stopping_rounds": BEST_EPOCH,
        "cat_features": TO_ESTIMATOR.format("categorical"), "categorical_feature": TO_ESTIMATOR.format("categorical"),
        "cat_col_names": TO_ESTIMATOR.format("categorical"), "callbacks": TO_ESTIMATOR.format("callbacks"),
        "verbose": TO_ESTIMATOR.format("verbose"), "time_limit": TO_ESTIMATOR.format("time_limit"),
        "time_to_fit_in_seconds": TO_ESTIMATOR.format("time_limit"),
        "epochs": "Recipe has it: TabularClassifier(preset=Recipe(epochs=...)).",
    },
    "Recipe": {
        **TO_RECIPE, "optimizer": "It is Adam, or AdamW if there is a weight_decay.",
        "loss": "It is the cross-entropy of classes, and the squared error of values.",
        "random_state": TO_ESTIMATOR.format("random_state"), "seed": TO_ESTIMATOR.format("random_state"),
        "patience": BEST_EPOCH,
    },
}  # fmt: skip
