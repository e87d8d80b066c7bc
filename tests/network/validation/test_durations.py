"""Durations as text: one reader of them for schedules and checkpoints."""

import pytest

from hotloop.network.validation.durations import parsed


@pytest.mark.parametrize(("text", "found"), [
    ("30 s", (30, "seconds")), ("5min", (300, "seconds")), ("1.5 hours", (5400, "seconds")), ("1 step", (1, "steps")),
    (" 2  epochs ", (2, "epochs")), ("0 s", None), ("-1 s", None), ("s", None), ("3", None), ("3 days", None),
    ("1e3 steps", None), ("nan s", None), ("", None), ("3 Epochs", None),
])  # fmt: skip
def test_what_a_text_says(text, found):
    assert parsed(text) == found
