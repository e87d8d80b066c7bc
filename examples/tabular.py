"""A table of mixed columns, with missing values: what one network and three make of it, and which columns matter.

The table is made from the diabetes data that come with scikit-learn: 442 patients, whose disease a year later is to be
predicted. Run it with

    python examples/tabular.py
"""

import argparse

import pandas as pd
from sklearn.datasets import load_diabetes
from sklearn.model_selection import cross_val_score, train_test_split

from hotloop.estimators import TabularRegressor


def patients() -> tuple[pd.DataFrame, pd.Series]:
    """Return the table in its own units, sex and age group as text, and some blood pressures missing."""
    data = load_diabetes(as_frame=True, scaled=False)
    table = data.data.drop(columns=["s1", "s2", "s4", "s6"]).rename(columns={"s3": "hdl", "s5": "log_triglycerides"})
    table["sex"] = table["sex"].map({1.0: "female", 2.0: "male"})
    table["age"] = pd.cut(table["age"], [0, 35, 50, 65, 120], labels=["to 35", "to 50", "to 65", "above"])
    table.loc[::6, "bp"] = None
    return table, data.target


def main() -> None:
    """Cross-validate one network, and three; print what each column was taken for, and its importance."""
    parser = argparse.ArgumentParser(description="Learn from a table of mixed columns.")
    parser.add_argument("--preset", default="default", help="default, fast, best or realmlp")
    parser.add_argument("--max-epochs", type=int, help="of each network (default: as many as the preset has)")
    arguments = parser.parse_args()

    X, y = patients()
    for count in (1, 3):
        model = TabularRegressor(
            preset=arguments.preset, max_epochs=arguments.max_epochs, n_ensemble=count, random_state=0
        )
        scores = cross_val_score(model, X, y)
        print(f"{count} network{'s' if count > 1 else ''}: R^2 {scores.mean():.3f}, from {scores.min():.3f}")

    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    model.fit(X_train, y_train)
    print("\ncolumn             kind      inputs  importance  treatment")
    importances = model.feature_importances(X_test, y_test, random_state=0)
    columns = {column.name: column for column in model.columns_}
    for name, importance in importances.items():
        column = columns[name]
        print(f"{name:18} {column.kind:9} {column.n_inputs:6} {importance.mean:11.3f}  {column.note}")


if __name__ == "__main__":
    main()
