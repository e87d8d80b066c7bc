"""The pages of the course run, and the answers to their exercises can be wrong.

The cells of a page run one after another, as a notebook would run them, without Jupyter. A cell under the tag
"parameters" is followed by smaller numbers. A cell under the tag "hide-cell" is an answer: with a wrong number in the
place of a right one it must fail.
"""

import ast
import re
from itertools import pairwise
from pathlib import Path

import pytest
from conftest import needs_compiler

COURSE = Path(__file__).parents[2] / "docs" / "course"
CELL = re.compile(r"^```\{code-cell\} ipython3\n(?:---\n(?P<head>.*?)^---\n)?(?P<code>.*?)^```$", re.M | re.S)
# What tells Jupyter and the site that a page is a notebook.
FRONT = """---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
    format_version: 0.13
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---
"""
# Of each page: what its two answers have, and what would be wrong.
WRONG = {
    "1-one-neuron.md": [("3.0 * 0.287", "2.0 * 0.287"), ("0.768524783499 - 1", "0.768524783499 - 0")],
    "3-vanishing-gradients.md": [("answer = 10", "answer = 9"), ("2**7", "2**9")],
    "4-overfitting.md": [("400 - (stopping", "399 - (stopping"), ("/ training_loss", "- training_loss")],
    "5-the-fast-loop.md": [("answer = 6", "answer = 4"), ("12 / 16", "16 / 16")],
    "6-a-tuned-network.md": [("3 * 128 * 10", "2 * 128 * 10"), ("20 * 94", "20 * 93")],
    "2-the-algorithm.md": [("(a - y) / 4", "(a - y) / 2"), ("answer == 3", "answer == 2")],
}
SMALLER = {"5-the-fast-loop.md": {"batch": 32, "inputs": 32, "outputs": 32, "repeats": 1}}


def cells(text):
    """Return (the number of its first line, tags, code) of each cell."""
    found = []
    for cell in CELL.finditer(text):
        tags = re.findall(r"[\w-]+", (re.search(r"^tags: \[(.*)\]$", cell["head"] or "", re.M) or [""])[0])
        found.append((text.count("\n", 0, cell.start("code")), tags[1:], cell["code"]))
    return found


def run(line, code, page, names):
    """Run a cell; a value in its last line is shown, as a notebook would."""
    tree = ast.parse("\n" * line + code, page.name)
    shown = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, page.name, "exec"), names)
    if shown is not None:
        repr(eval(compile(ast.Expression(shown.value), page.name, "eval"), names))


PAGES = sorted(COURSE.glob("[0-9]*.md"))


@needs_compiler
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_runs_and_its_answers_can_be_wrong(page, tmp_path, monkeypatch):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("Agg")
    monkeypatch.chdir(tmp_path)
    names, answers = {"__name__": "__main__"}, []
    for line, tags, code in cells(page.read_text()):
        run(line, code, page, names)
        if "parameters" in tags:
            names |= SMALLER[page.name]
        if "hide-cell" in tags:
            answers.append((line, code))
    assert pyplot.get_fignums(), "a page has a figure"
    assert len(answers) == 2
    for (line, code), (right, wrong) in zip(answers, WRONG[page.name], strict=True):
        assert code.count(right) == 1
        with pytest.raises(AssertionError):
            run(line, code.replace(right, wrong), page, dict(names))
    pyplot.close("all")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_is_a_notebook(page):
    """Every block of code is a cell, and every page has the front matter and two exercises."""
    text = page.read_text()
    assert text.startswith(FRONT)
    assert len(cells(text)) == len(re.findall(r"^```\{code-cell\}", text, re.M))
    assert text.count("## Exercises") == 1


def test_the_pages_lead_through_the_course():
    index = (COURSE / "index.md").read_text()
    assert re.findall(r"\]\((\d-[\w-]+\.md)\)", index) == [page.name for page in PAGES]
    for page, after in pairwise(PAGES):
        assert f"({after.name})" in page.read_text()
    assert sorted(WRONG) == [page.name for page in PAGES]
