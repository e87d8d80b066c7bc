"""Conclusions about a training run: snapshots of its gradients, checks, and trials of remedies."""
