"""The exit statuses of the command line, as ``hotloop --help`` lists them."""

UNWELL = 1  # warmup or doctor found something wrong
FAILED = 2  # a fault in the arguments, the data, the training or the output
UNFORESEEN = 70
INTERRUPTED = 130  # by Ctrl-C
BROKEN_PIPE = 141
