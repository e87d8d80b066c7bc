"""Regression: learn a noisy function of two variables, and measure R^2 on new points.

Run it with

    python examples/regression.py
"""

import argparse

import numpy as np

from hotloop import Adam, Network


def surface(x: np.ndarray) -> np.ndarray:
    """Return a function with a ridge and a hollow."""
    return np.sin(3 * x[:, 0]) * np.cos(2 * x[:, 1]) + 0.5 * x[:, 0] * x[:, 1]


def main() -> None:
    """Train on noisy points, and print how well the network approximates the function without noise."""
    parser = argparse.ArgumentParser(description="Learn a noisy function of two variables.")
    parser.add_argument("--epochs", type=int, default=200)
    arguments = parser.parse_args()

    generator = np.random.default_rng(0)
    x = generator.uniform(-1, 1, (2000, 2)).astype(np.float32)
    y = surface(x) + generator.normal(0, 0.1, len(x)).astype(np.float32)
    x_test = generator.uniform(-1, 1, (1000, 2)).astype(np.float32)

    net = Network([2, 32, 32, 1], "tanh", loss="mse", seed=0)
    net.fit(x, y, epochs=arguments.epochs, optimizer=Adam(0.003))
    scores = net.evaluate(x_test, surface(x_test))
    print(f"r2 {scores['r2']:.4f}, root of the mean squared error {scores['loss'] ** 0.5:.4f} (noise: 0.1)")
    print("    x0      x1   surface   predicted")
    points = np.array([[-0.5, -0.5], [0.0, 0.0], [0.5, 0.0], [0.5, 0.5]], dtype=np.float32)
    for point, wanted, found in zip(points, surface(points), net.predict(points)[:, 0], strict=True):
        print(f"{point[0]:6.2f}  {point[1]:6.2f}  {wanted:8.3f}  {found:10.3f}")


if __name__ == "__main__":
    main()
