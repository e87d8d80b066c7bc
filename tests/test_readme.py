"""The documents say what is so: the example prints what the README shows, links lead somewhere, quotes are the code."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numba
import pytest

import hotloop

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^```[^\n]*\n.*?^```$", re.M | re.S)
QUOTE = re.compile(r"<!-- source: (\S+) -->\n```python\n(.*?)^```$", re.M | re.S)
EXAMPLE = re.compile(r"^```python\n(.*?)^```\n\n```text\n(.*?)^```$", re.M | re.S)


def name(path):
    return str(path.relative_to(ROOT))


def broken_links(path, text):
    """Return the relative links of a document that lead to no file, or to no heading of it."""
    found = []
    for target in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", text)):
        if re.match(r"https?://|mailto:", target):
            continue
        file, _, anchor = target.partition("#")
        destination = (path.parent / file).resolve() if file else path
        if not destination.exists() or (anchor and anchor not in anchors(destination)):
            found.append(target)
    return found


def anchors(path):
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", path.read_text()), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def example():
    (found,) = EXAMPLE.findall((ROOT / "README.md").read_text())
    return found


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_links_lead_somewhere(path):
    assert broken_links(path, path.read_text()) == []


def test_a_planted_broken_link_is_seen():
    readme = ROOT / "README.md"
    assert broken_links(readme, "[a](docs/none.md) [b](LICENSE) [c](#none)") == ["docs/none.md", "#none"]


def misquoted(text):
    """Return the quoted lines that do not stand together in the file that they are said to come from."""
    return [quote for file, quote in QUOTE.findall(text) if quote not in (ROOT / file).read_text()]


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_quoted_code_stands_in_the_source(path):
    assert misquoted(path.read_text()) == []


def test_a_planted_misquotation_is_seen():
    text = (ROOT / "docs" / "backpropagation.md").read_text()
    quotes = [quote for _, quote in QUOTE.findall(text)]
    assert len(quotes) >= 5
    wrong = quotes[0].replace(" = ", " == ", 1)
    assert misquoted(text.replace(quotes[0], wrong)) == [wrong]


def test_the_example_is_short():
    assert len(example()[0].splitlines()) <= 12


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="the example trains on all the digits: minutes in plain Python")
def test_the_example_prints_what_the_readme_shows(tmp_path):
    code, output = example()
    environment = os.environ | {"PYTHONPATH": str(Path(hotloop.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == output
