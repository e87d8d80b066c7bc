"""The documents are true: the example prints what the README shows, links lead somewhere, quotes match the code."""

import json
import re
import tomllib
from pathlib import Path

import numba
import numpy as np
import pytest

from benchmarks.comparison.report import number, table
from hotloop import SGD, Network
from hotloop.kernels import cache, dense_forward

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^```[^\n]*\n.*?^```$", re.M | re.S)
QUOTE = re.compile(r"<!-- source: (\S+) -->\n```python\n(.*?)^```$", re.M | re.S)
EXAMPLE = re.compile(r"^```python\n(.*?)^```\n\n```text\n(.*?)^```$", re.M | re.S)


README = (ROOT / "README.md").read_text()
GOTCHAS = (ROOT / "docs" / "gotchas.md").read_text()


def name(path):
    return str(path.relative_to(ROOT))


def broken_links(path, text):
    """Return the relative links of a document that lead to no file, or to no heading."""
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
    """Return the quoted blocks that are not in the file that they name."""
    return [quote for file, quote in QUOTE.findall(text) if quote not in (ROOT / file).read_text()]


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_quoted_code_stands_in_the_source(path):
    assert misquoted(path.read_text()) == []


def test_a_planted_misquotation_is_seen():
    text = (ROOT / "docs" / "backpropagation.md").read_text()
    quotes = [quote for _, quote in QUOTE.findall(text)]
    assert len(quotes) >= 5
    quote = next(quote for quote in quotes if " = " in quote)
    wrong = quote.replace(" = ", " == ", 1)
    assert misquoted(text.replace(quote, wrong)) == [wrong]


def test_the_example_is_short():
    assert len(example()[0].splitlines()) <= 12


def test_the_profile_is_rows_of_the_guide():
    (shown,) = re.findall(r"^```text\n(Name .*?)^```$", README, re.M | re.S)
    guide = (ROOT / "docs" / "profiling.md").read_text().splitlines()
    assert [line for line in shown.splitlines() if line not in guide] == []


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 130


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="a hundred units on 784 pixels: half a minute in plain Python")
def test_images_of_bytes_are_learned_as_the_documents_say(tmp_path):
    """On eight images, each bright in a different row."""
    data = (ROOT / "docs" / "data.md").read_text()
    (code,) = re.findall(r"^```python\n(from hotloop.datasets import load_idx\n.*?)^```$", data, re.M | re.S)
    images, labels = np.zeros((8, 28, 28), np.uint8), np.arange(8, dtype=np.uint8)
    images[labels, 3 * labels] = 255
    for part in ("train", "t10k"):
        head = b"\0\0\x08\x03" + np.array(images.shape, ">i4").tobytes()
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(head + images.tobytes())
        head = b"\0\0\x08\x01" + np.array(labels.shape, ">i4").tobytes()
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(head + labels.tobytes())
    names = {"folder": tmp_path, "Network": Network, "SGD": SGD}
    exec(code, names)
    assert names["net"].predict(images.reshape(8, -1)).argmax(axis=1).tolist() == labels.tolist()


def test_the_extras_for_users_are_named():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for_developers = {"test", "bench", "peers", "tabular-peers", "interchange", "docs", "dev"}
    assert {*re.findall(r"`\[(\w+)\]`", README)} == {*extras} - for_developers


def diverge():
    inputs = np.random.default_rng(0).normal(size=(1000, 3)) * [1, 100, 1000]
    Network([3, 16, 1], seed=0).fit(inputs, inputs @ [1.0, 2.0, 3.0], optimizer=SGD(0.01), progress=False)


def run_out_of_epochs():
    inputs, targets = np.ones((8, 2)), np.zeros(8)
    Network([2, 1], seed=0).fit(inputs, targets, epochs=3, tolerance=1e-4, progress=False)


def mix_dtypes():
    dense_forward(np.ones((1, 1), np.float32), np.ones((1, 1)), np.ones(1), np.ones((1, 1)))


SAID = {
    "DivergenceError": diverge,
    "ConvergenceWarning": run_out_of_epochs,
    "ValueError": lambda: Network([64, 10]).predict(np.ones(64)),
    "ArgumentError": mix_dtypes,
}
COMPILER = pytest.mark.skipif(numba.config.DISABLE_JIT, reason="said by the compiler, or of it")


def gotchas():
    """Return {kind of error or warning: how it begins} for the messages that docs/gotchas.md quotes."""
    return dict(re.findall(r"^\*\*`(\w+): ([^`]+)`", GOTCHAS, re.M))


def test_every_gotcha_is_known():
    assert set(gotchas()) == {*SAID, "RuntimeWarning", "ModuleNotFoundError"}


@pytest.mark.parametrize("kind", [pytest.param(kind, marks=[COMPILER] * (kind == "ArgumentError")) for kind in SAID])
def test_a_gotcha_is_quoted_literally(kind):
    with pytest.raises(Exception) as caught:  # noqa: PT011 (warnings are errors here; the type is compared by name)
        SAID[kind]()
    assert type(caught.value).__name__ == kind
    assert str(caught.value).startswith(gotchas()[kind])


@COMPILER
def test_the_warning_of_the_cache_is_quoted_literally(monkeypatch):
    monkeypatch.setattr(cache, "failures", [])  # it warns once a process
    with pytest.warns(RuntimeWarning) as caught:
        cache.warn_uncached(cache.NO_FOLDER)
    assert str(caught[0].message).startswith(gotchas()["RuntimeWarning"])


def test_the_speed_table_is_what_was_measured():
    (file,) = re.findall(r"\]\((benchmarks/reports/peers-\S+)\.md\)", README)
    measured = json.loads((ROOT / f"{file}.json").read_text())
    rows = [
        [
            row["network"],
            number(row["microseconds"]["hotloop"]["median"]),
            f"{number(row['fastest'])}, {row['fastest_peer']}",
            number(row["eager"]),
        ]
        for row in measured["tables"]["networks"]
    ]
    header = ["network", "hotloop, us a step", "fastest peer / hotloop", "PyTorch eager / hotloop"]
    head, rule, *lines = table(header, rows)
    (shown,) = re.findall(re.escape(f"{head}\n{rule}\n") + r"((?:\|.*\n)+)", README)
    assert len(lines) >= 7
    assert {*shown.splitlines()} < {*lines}
    assert not measured["about"]["quick"]
    assert not measured["about"]["commit"].endswith("-dirty")
