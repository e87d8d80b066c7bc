"""The programs of the documents run, one after another as a reader would type them, and print what stands below.

A program is a block of Python; what it prints is the block of text right after it. Blocks of one document share their
names. `<!-- not run: REASON -->` before a block leaves it out, and quotes of the source are compared elsewhere.
"""

import re
from pathlib import Path

import pytest
from conftest import needs_compiler

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^(?:<!-- ([^\n]*) -->\n)?```python\n(.*?)^```$(?:\n\n```text\n(.*?)^```$)?", re.M | re.S)
NEEDS = {  # packages that .ci/run installs for interchange
    "docs/interchange.md": ("torch", "tensorflow", "ai_edge_litert", "onnxruntime", "jax"),
    "docs/interchange/jax.md": ("jax", "flax", "equinox"),
    "docs/interchange/keras.md": ("tensorflow", "ai_edge_litert"),
    "docs/interchange/onnx.md": ("torch", "onnxruntime", "skl2onnx"),
    "docs/interchange/pytorch.md": ("torch",),
}
LEFT_OUT = re.compile(r"not run: \S|source: ")
# What trains long, and with how much less a test is content.
LESS = {"docs/tabular.md": ("TabularClassifier(), table.drop", "TabularClassifier(preset='fast'), table.drop")}


def programs(text):
    """Return (the number of its first line, program, what it should print or None) for each block that is to be run."""
    return [
        (text.count("\n", 0, found.start(2)), found[2], found[3])
        for found in BLOCK.finditer(text)
        if not (found[1] and LEFT_OUT.match(found[1]))
    ]


def printed(text, file, capsys):
    """Run the programs of a document; return (what each printed, what it should have printed)."""
    found, names = [], {"__name__": "document"}
    file.write_text(text)  # tracebacks quote the document, and functions have a source
    for line, program, wanted in programs(text):
        exec(compile("\n" * line + program, file, "exec"), names)
        found.append((capsys.readouterr().out, wanted))
    return found


PATHS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs" / "tutorials").glob("*.md"))]
PATHS += sorted((ROOT / "docs" / "interchange").glob("*.md"))
DOCUMENTS = {str(path.relative_to(ROOT)): path for path in PATHS}
WITH_PROGRAMS = [name for name, path in DOCUMENTS.items() if programs(path.read_text())]


@needs_compiler
# Keras converts TensorFlow's variables to arrays in NumPy 1's way.
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")
@pytest.mark.parametrize("name", WITH_PROGRAMS)
def test_programs_print_what_the_document_shows(name, tmp_path, monkeypatch, capsys):
    for package in NEEDS.get(name, ()):
        pytest.importorskip(package, reason=f"needs {package}: pip install 'hotloop[interchange]'")
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("Agg")
    monkeypatch.chdir(tmp_path)
    text = DOCUMENTS[name].read_text()
    if name in LESS:
        assert LESS[name][0] in text
        text = text.replace(*LESS[name])
    for found, wanted in printed(text, tmp_path / DOCUMENTS[name].name, capsys):
        assert found == (wanted or found)
    pyplot.close("all")


def test_a_planted_wrong_output_is_seen(tmp_path, capsys):
    text = "```python\na = 1\nprint(a)\n```\n\n```text\n1\n```\n\n```python\nprint(a + 1)\n```\n\n```text\n3\n```\n"
    assert printed(text, tmp_path / "a.md", capsys) == [("1\n", "1\n"), ("2\n", "3\n")]


def test_what_is_left_out(tmp_path, capsys):
    block = "```python\nraise ValueError\n```\n"
    assert programs(f"<!-- not run: needs a file -->\n{block}<!-- source: a.py -->\n{block}") == []
    with pytest.raises(ValueError, match=r"^$"):
        printed(f"<!-- not run: -->\n{block}", tmp_path / "a.md", capsys)
