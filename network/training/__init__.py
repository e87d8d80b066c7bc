"""Training: the outer loop, its callbacks, optimizers, threads, and what the compiled loop is handed."""
