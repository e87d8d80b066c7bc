"""Selections of benchmarks: `full` is all, `quick` takes three minutes, `gate` is what `gate.py` compares.

    asv run --bench "$(python benchmarks/profiles.py quick)" 'HEAD^!'

Each is a regular expression that asv searches for in ``module.Class.body('parameter', ...)``.
"""

import argparse

NO_NOISE = r"^figures\.(Allocations|Signatures|Tile)\."  # the same in every run
PRODUCTS = r"^kernels\.(DenseForward|AccumulateWeightGradient|InputGradient)\."
PROFILES = {
    "full": [r"^"],
    "quick": [
        PRODUCTS + r".*'(32x64x32|128x512x512)', 'float32'",
        r"^kernels\.(Sigmoid|SigmoidDerivative|Exp)\..*'128x512', 'float32'",
        r"^kernels\.Loss\..*'cross_entropy', 'float32'",
        r"^kernels\.Update\..*'(sgd|adam)', 'float32'",
        r"^kernels\.CallOverhead\.",
        r"^networks\.Step\..*'64-32-10', 32",
        r"^networks\.Epoch\..*'(64-32-10|784-128-10|784-512-512-10)', 32",
        r"^networks\.Work\..*'784-512-512-10', 32",
        r"^networks\.Predict\..*'784-128-10'",
        r"^networks\.PartialFit\..*32",
        r"^networks\.Features\..*'(none|clip_norm|layer_norm|on_step)'",
        r"^startup\.(Import|FirstFit)\.",
        r"^dead_units\.DeadUnits\..*'silu'",
        r"^figures\.(Digits|Memory|Wheel)\.",
        NO_NOISE,
    ],
    # The quick ones that differ by only a few hundredths between processes of one commit.
    "gate": [
        PRODUCTS + r".*'128x512x512', 'float32'",
        r"^kernels\.(Sigmoid|Exp)\..*'128x512', 'float32'",
        r"^kernels\.Loss\..*'cross_entropy', 'float32'",
        r"^kernels\.Update\..*'(sgd|adam)', 'float32'",
        r"^networks\.Epoch\..*'(64-32-10|784-128-10)', 32",
        r"^networks\.Predict\..*'784-128-10', (1|10000)\)",
        NO_NOISE,
    ],
}


def pattern(profile: str) -> str:
    """Return a profile as one regular expression."""
    return "|".join(PROFILES[profile])


if __name__ == "__main__":
    description = "Print a profile as a regular expression, for asv's --bench."
    parser = argparse.ArgumentParser(prog="python benchmarks/profiles.py", description=description)
    parser.add_argument("profile", choices=list(PROFILES))
    print(pattern(parser.parse_args().profile))
