"""From `read_csv` to a cross-validated score: the five lines that the README and docs/tabular.md show."""

import re
from pathlib import Path

import pandas as pd
import pytest
from conftest import needs_compiler
from tabular_data import mixed

ROOT = Path(__file__).parents[2]
FIVE_LINES = re.compile(r"^```python\n(import pandas as pd\n(?:[^`\n]+\n){2}\n(?:[^`\n]+\n){2})```$", re.M)
DOCUMENTS = ("README.md", "docs/tabular.md")


def five_lines(document):
    """Return the lines, if the document shows them; what is compared there, for the same output on any CPU, is bare."""
    found = FIVE_LINES.findall((ROOT / document).read_text())
    return found[0].replace(" > 0.8)", ")") if found else None


def test_the_documents_show_the_same_lines():
    shown = {document: lines for document in DOCUMENTS if (lines := five_lines(document)) is not None}
    assert "docs/tabular.md" in shown
    assert len({*shown.values()}) == 1
    assert "TabularClassifier()" in shown["docs/tabular.md"]


@needs_compiler
def test_they_run_on_a_file_of_mixed_columns(tmp_path, monkeypatch, capsys):
    """The file has texts, numbers and booleans, and cells that are empty; only the target is called as theirs."""
    table, classes, _ = mixed(300)
    monkeypatch.chdir(tmp_path)
    lines = five_lines("docs/tabular.md")
    (file,) = re.findall(r'read_csv\("([^"]+)"\)', lines)
    (target,) = {*re.findall(r'columns="([^"]+)"', lines)}
    pd.DataFrame(table | {target: classes}).to_csv(file, index=False)
    assert pd.read_csv(file).isna().any(axis=0).sum() == 2
    lines = lines.replace("TabularClassifier()", "TabularClassifier(random_state=0)")
    exec(lines, {})
    assert float(capsys.readouterr().out) == pytest.approx(0.9, abs=0.1)
