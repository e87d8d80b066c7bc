"""Your own loss: predict a mean and an uncertainty, by the likelihood of the targets.

Run it with

    python examples/custom_loss.py

The network has two outputs for each input, the mean m and the logarithm s of the standard deviation of a normal
distribution. The loss of a row is -log p(y) = s + ((y - m) / e^s)^2 / 2, less a constant. Targets have a column for
each output; the second is not used.
"""

import argparse
import math

import numba
import numpy as np

from hotloop import Adam, Network
from hotloop.losses import CustomLoss
from hotloop.schedules import Cosine


@numba.njit
def normal_likelihood(outputs: np.ndarray, target: np.ndarray, gradient: np.ndarray) -> float:
    """Return -log p(y) of a row, and write its derivatives."""
    mean, log_deviation = outputs[0], outputs[1]
    z = (target[0] - mean) * math.exp(-log_deviation)
    gradient[0] = -z * math.exp(-log_deviation)
    gradient[1] = 1 - z * z
    return log_deviation + z * z / 2


def main() -> None:
    """Train on points whose noise grows with x, and print the mean and the noise that the network found."""
    parser = argparse.ArgumentParser(description="Learn a curve and its noise.")
    parser.add_argument("--epochs", type=int, default=200)
    arguments = parser.parse_args()

    generator = np.random.default_rng(0)
    x = generator.uniform(-1, 1, (2000, 1))
    noise = 0.1 * np.exp(1.5 * x)
    y = np.sin(3 * x) + noise * generator.normal(size=x.shape)

    loss = CustomLoss(normal_likelihood)
    net = Network([1, 32, 32, 2], "tanh", loss=loss, seed=0)
    print(net.check_gradients(x[:32], np.hstack([y, y])[:32]))
    net.fit(x, np.hstack([y, y]), epochs=arguments.epochs, optimizer=Adam(Cosine(0.01)))
    print("   x   sin 3x    mean   noise   found")
    for point in (-0.8, -0.4, 0.0, 0.4, 0.8):
        mean, log_deviation = net.predict([[point]])[0]
        true_noise = 0.1 * math.exp(1.5 * point)
        print(f"{point:4.1f}  {math.sin(3 * point):7.3f} {mean:7.3f} {true_noise:7.3f} {math.exp(log_deviation):7.3f}")


if __name__ == "__main__":
    main()
