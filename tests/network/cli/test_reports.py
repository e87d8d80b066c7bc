"""The table of epochs that the command prints."""

from hotloop import History
from hotloop.network.cli import reports


def history(n_metrics):
    """Return a history with so many metrics, each with a name of its own."""
    metrics = {f"val_metric_{n}": 0.25 for n in range(n_metrics)}
    return History([{"epoch": n, "loss": 1 / n, **metrics, "learning_rate": 0.1 / n, "seconds": 1.0} for n in (1, 2)])


def test_the_learning_rate_is_shown_if_it_changes(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    constant = history(1)
    for record in constant.epochs:
        record["learning_rate"] = 0.1
    assert "learning rate" not in reports.epochs(constant)
    assert reports.epochs(history(0)).splitlines() == [
        "epoch  training loss  learning rate",
        "    1          1.000         0.1000",
        "    2         0.5000        0.05000",
    ]
    assert max(map(len, reports.epochs(history(6)).splitlines())) <= 80


def test_the_best_epoch_is_marked_and_always_shown(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    for best in (2, 57, 99, 100):
        found = History([{"epoch": n, "loss": 1.0, "val_loss": abs(n - best)} for n in range(1, 101)], best_epoch=best)
        text = reports.epochs(found)
        _, *rows, legend = text.splitlines()
        numbers = [int(row.replace("*", "").split()[0]) for row in rows]
        assert (len(rows), numbers[0], numbers[-1]) == (12, 1, 100)
        assert numbers == sorted({*numbers})
        assert [row.split()[:2] for row in rows if "*" in row] == [["*", str(best)]]
        assert legend == f"* best epoch: {best}"
        assert {style for _, _, style in text.spans} == {"bold", "bold green"}
    resumed = History([{"epoch": n, "loss": 1.0} for n in range(20, 60)], best_epoch=3)  # of an earlier fit
    assert reports.epochs(resumed).splitlines()[-1] == "* best epoch: 3"


def test_what_an_epoch_lacks(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    found = History([{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25, "val_accuracy": 0.5}])
    assert reports.epochs(found).splitlines() == [
        "epoch  training loss  validation accuracy",
        "    1         0.5000                    -",
        "    2         0.2500              50.00 %",
    ]
