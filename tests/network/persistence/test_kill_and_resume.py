"""Fits whose processes are killed at random moments, and that go on to the same bits."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import needs_compiler
from kill_and_resume import trial, whole
from resumable_fits import FITS


@needs_compiler
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
@pytest.mark.filterwarnings("ignore::hotloop.ConvergenceWarning")
def test_killed_fits_end_with_the_same_bits(tmp_path):
    """One of each kind, and one is killed twice; `python tests/kill_and_resume.py` kills many more."""
    expected = {name: whole(name) for name in FITS}

    def line_of(number, kills):
        folder = tmp_path / str(number)
        folder.mkdir()
        return trial(number, kills, expected, folder)

    with ThreadPoolExecutor() as pool:
        for line, same in pool.map(line_of, (0, 4, 8), (1, 2, 1)):
            assert same, line
