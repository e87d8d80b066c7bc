"""Fits whose processes are killed at random moments, and that go on to the same bits."""

import os

import pytest
from conftest import needs_compiler
from kill_and_resume import trial, whole
from resumable_fits import FITS


@needs_compiler
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
@pytest.mark.filterwarnings("ignore::hotloop.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_killed_fits_end_with_the_same_bits(tmp_path):
    """One of each kind, and one is killed twice; `python tests/kill_and_resume.py` kills many more."""
    expected = {name: whole(name) for name in FITS}
    for number, kills in ((0, 1), (4, 2), (8, 1)):
        line, same = trial(number, kills, expected, tmp_path)
        assert same, line
