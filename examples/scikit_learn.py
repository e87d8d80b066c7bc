"""From scikit-learn's MLPClassifier to hotloop's: one import changes, and the same search gives the same answer sooner.

Run it with (needs the extra [sklearn])

    python examples/scikit_learn.py

Wisconsin's breast cancer data: 569 tumours, 30 measurements each, benign or malignant. A pipeline is searched for the
best penalty, once with scikit-learn's estimator and once with hotloop's. Both draw the same random numbers. Then what
scikit-learn's lacks: malignant tumours count three times, and half of the hidden units are dropped in each step.
"""

import argparse
import time
import warnings

from sklearn import neural_network
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import recall_score
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hotloop.estimators import MLPClassifier


def main() -> None:
    """Search with both estimators, compare, and print what weights of classes and dropout do."""
    parser = argparse.ArgumentParser(description="Search a penalty with scikit-learn's MLP and with hotloop's.")
    parser.add_argument("--epochs", type=int, default=40)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)  # few epochs: the example is to be short

    X, y = load_breast_cancer(return_X_y=True)  # 0 is malignant
    X, test_X, y, test_y = train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)
    options = {"hidden_layer_sizes": (30,), "max_iter": arguments.epochs, "learning_rate_init": 0.005}
    MLPClassifier(max_iter=1).fit(X, y)  # loads the compiled loops, which the first run of all compiles

    for name, kind in (("scikit-learn", neural_network.MLPClassifier), ("hotloop", MLPClassifier)):
        model = make_pipeline(StandardScaler(), kind(**options, random_state=0))
        search = GridSearchCV(model, {"mlpclassifier__alpha": [0.1, 1, 10, 100]}, cv=5)
        start = time.perf_counter()
        search.fit(X, y)
        seconds = time.perf_counter() - start
        best = search.best_params_["mlpclassifier__alpha"]
        loss = search.best_estimator_[-1].loss_
        print(
            f"{name:12}  best alpha {best:g}, score {search.best_score_:.4f}, last loss {loss:.10f}, "
            f"test accuracy {search.score(test_X, test_y):.4f}, {seconds:.2f} s"
        )

    more = MLPClassifier(**options, random_state=0, alpha=best, class_weight={0: 3}, dropout=0.5)
    model = make_pipeline(StandardScaler(), more).fit(X, y)
    for name, found in (("as they are", search), ("malignant counts three times, dropout", model)):
        recall = recall_score(test_y, found.predict(test_X), pos_label=0)
        print(f"malignant tumours that are found, {name}: {recall:.4f}")


if __name__ == "__main__":
    main()
