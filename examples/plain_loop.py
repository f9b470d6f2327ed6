"""Tracking without Keras: logistic regression by gradient descent, in plain Python.

    cd examples/config && python ../plain_loop.py

Where it is delivered is the config's business: see ``examples/config``. Without a config it is recorded in
``.multitrack`` alone, and ``multitrack sync`` can deliver it later.
"""

import argparse
import math
import random

import multitrack

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--lr", type=float, default=0.5)
parser.add_argument("--epochs", type=int, default=20)
arguments = parser.parse_args()

source = random.Random(0)
points = [(source.gauss(label * 2 - 1, 1), source.gauss(1 - label * 2, 1), label) for label in (0, 1) * 200]

with multitrack.start_run(project="plain-loop", params=arguments) as run:
    weights = [0.0, 0.0, 0.0]
    for epoch in range(arguments.epochs):
        gradient, loss, right = [0.0, 0.0, 0.0], 0.0, 0
        for x1, x2, label in points:
            guess = 1 / (1 + math.exp(-(weights[0] + weights[1] * x1 + weights[2] * x2)))
            loss -= math.log(guess if label else 1 - guess) / len(points)
            right += (guess > 0.5) == bool(label)
            for i, x in enumerate((1.0, x1, x2)):
                gradient[i] += (guess - label) * x / len(points)
        weights = [weight - arguments.lr * slope for weight, slope in zip(weights, gradient, strict=True)]
        run.log_metrics({"loss": loss, "accuracy": right / len(points)}, step=epoch)
        run.log_lines(f"epoch {epoch}: loss {loss:.4f}")
    run.log_metric("accuracy", right / len(points))
    run.log_list_metric("weights", weights)
    print(f"accuracy {right / len(points):.3f} after {arguments.epochs} epochs, run {run.id}")
