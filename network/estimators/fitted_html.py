"""What a fitted estimator shows in a notebook below scikit-learn's own picture of it."""

from typing import Any

from hotloop.network.html.curves import Curve, curves
from hotloop.network.html.elements import Html, details, joined, note, representation, table, title
from hotloop.network.tables.columns_table import folded_columns
from hotloop.network.training.history import History, short
from hotloop.network.validation.printable import counted


def mlp_html(mlp: Any) -> Html:
    """Return the network of an `MLPClassifier` or `MLPRegressor`, and its loss by epoch."""
    losses = mlp.__dict__.get("loss_curve_") or []
    scores = mlp.__dict__.get("validation_scores_") or []
    said = [f"{counted(mlp.n_iter_, 'epoch' if mlp.solver != 'lbfgs' else 'iteration')}, solver {mlp.solver}"]
    if losses:
        said.append(f"last loss {short(losses[-1])}")
    if scores:
        best = max(range(len(scores)), key=scores.__getitem__)
        said.append(f"best validation score {short(scores[best])}, in epoch {best + 1}")
    return representation(
        title("Network"),
        mlp.network_.summary().as_html,
        curves([Curve("training", range(1, len(losses) + 1), losses)], "epoch", title="loss"),
        note("; ".join(said)),
    )


def tabular_html(estimator: Any) -> Html:
    """Return what each column was taken for, the networks, and how each was trained."""
    histories: tuple[History, ...] = estimator.__dict__.get("history_", ())
    networks = estimator.networks_
    return representation(
        title("Columns"),
        folded_columns(estimator.columns_),
        title(counted(len(networks), "network")),
        _fits(histories) if histories else note("the history of their training is not in the file"),
        details("layers of the first" if len(networks) > 1 else "layers", networks[0].summary().as_html),
    )


def _fits(histories: tuple[History, ...]) -> Html:
    """Return a row for each network: its epochs, and what it reached at the best one."""
    names = [name for name in histories[0] if name.startswith("val_")]
    rows = []
    for number, history in enumerate(histories, 1):
        best = next((record for record in history.epochs if record["epoch"] == history.best_epoch), {})
        reached = [short(best[name]) if name in best else "-" for name in names]
        epochs = [str(len(history.epochs)), str(history.best_epoch or "-")]
        rows.append([str(number), *epochs, *reached, f"{history.seconds:.2f} s", history.stop_reason])
    heads = ["network", "epochs", "best epoch", *(name.replace("_", " ") for name in names), "time", "stopped"]
    made = table(heads, rows, left=["stopped"])
    return joined(made, note("validation figures are those of the best epoch") if names else "")
