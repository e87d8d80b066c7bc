"""What the table of a profile may be sorted by: a module that ``hotloop profile --help`` can read without NumPy."""

# The field of a row for each order, with PyTorch's names; "order" is the order of a training step.
SORTS = {
    "self_cpu_time_total": "seconds", "cpu_time_total": "seconds", "cpu_time": "seconds_per_call", "count": "calls",
    "flops": "flops", "bytes": "bytes", "roof_percent": "roof_percent", "order": None,
}  # fmt: skip
