"""Vanishing gradients: see them named in a deep network of sigmoids, and mend them.

Through each layer of sigmoids the gradient is multiplied by W.T and f' <= 1/4, so the first layers of a deep network
hardly learn. Run it with

    python examples/vanishing_gradients.py

Source: M. Nielsen, Neural Networks and Deep Learning (2015), chapter 5; X. Glorot and Y. Bengio (2010).
"""

from hotloop import SGD, Network, profile
from hotloop.datasets import Dataset, load_digits

SIZES = [64, *[32] * 8, 10]


def train(data: Dataset, activation: str) -> float:
    """Train ten layers under a profile, print its diagnosis, and return the test accuracy."""
    net = Network(SIZES, activation, loss="cross_entropy", seed=0)
    with profile() as prof:
        net.fit(data.x_train, data.y_train, epochs=10, optimizer=SGD(0.02, momentum=0.9), progress=False)
    print(prof.diagnose())
    _, gradient = net.gradient(data.x_train[:256], data.y_train[:256])
    norms = [float((weights**2).mean() ** 0.5) for weights in net.split(gradient)[0]]
    print("gradient of each layer's weights (rms):", *(f"{norm:.1e}" for norm in norms))
    return net.evaluate(data.x_test, data.y_test)["accuracy"]


def main() -> None:
    """Train the network with sigmoids, then with what the diagnosis suggests."""
    data = load_digits()
    for activation in ("sigmoid", "relu"):
        print(f"--- {len(SIZES) - 1} layers, {activation}")
        print(f"test accuracy {train(data, activation):.2%}\n")


if __name__ == "__main__":
    main()
