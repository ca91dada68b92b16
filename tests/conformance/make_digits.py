# SPDX-License-Identifier: Apache-2.0
"""Fifty epochs on the digits by PyTorch alone: initial weights, the loss of the first steps, and how
well the trained model does. test_digits.py trains the same models through the daemon."""

from __future__ import annotations

import digits
import numpy as np
import torch
from make_common import GoldenFile
from torch import nn

CURVE = 200  # steps whose loss is kept


def dense() -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(64, 128), nn.BatchNorm1d(128), nn.ReLU(),
        nn.Linear(128, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 10))


def convolutional() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.AvgPool2d(2),
        nn.Flatten(), nn.Linear(64, 10))


DENSE_LAYERS = [
    {"type": "linear", "in": 64, "out": 128}, {"type": "batch_norm"}, {"type": "relu"},
    {"type": "linear", "out": 64}, {"type": "batch_norm"}, {"type": "relu"},
    {"type": "linear", "out": 10},
]
CONV_LAYERS = [
    {"type": "conv2d", "out": 8, "kernel_size": 3, "padding": 1}, {"type": "batch_norm"},
    {"type": "relu"}, {"type": "max_pool2d", "kernel_size": 2},
    {"type": "conv2d", "out": 16, "kernel_size": 3, "padding": 1}, {"type": "batch_norm"},
    {"type": "relu"}, {"type": "avg_pool2d", "kernel_size": 2},
    {"type": "flatten"}, {"type": "linear", "out": 10},
]

# A rate at which PyTorch's own curve stands a change of its weights by one rounding: with 0.05 and
# momentum 0.9 that changes the convolutional model's losses by 8 % within a hundred steps.
MODELS = {
    "dense-adam": (dense, DENSE_LAYERS, 64, {"type": "adam", "lr": 1e-3},
                   lambda p: torch.optim.Adam(p, lr=1e-3)),
    "dense-sgd": (dense, DENSE_LAYERS, 64, {"type": "sgd", "lr": 0.05, "momentum": 0.9},
                  lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9)),
    "conv-adam": (convolutional, CONV_LAYERS, [1, 8, 8], {"type": "adam", "lr": 1e-3},
                  lambda p: torch.optim.Adam(p, lr=1e-3)),
    "conv-sgd": (convolutional, CONV_LAYERS, [1, 8, 8], {"type": "sgd", "lr": 0.02},
                 lambda p: torch.optim.SGD(p, lr=0.02)),
}


def train(model: nn.Sequential, optimizer: torch.optim.Optimizer, images: bool) -> tuple:
    """The loss of every step, and the share of test digits that are named right in the end."""
    x, labels, test_x, test_labels = map(torch.from_numpy, digits.load(images))
    losses = []
    for rows in digits.batches(len(x)):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x[rows]), labels[rows])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    model.eval()
    with torch.no_grad():
        return losses, (model(test_x).argmax(1) == test_labels).double().mean().item()


def make() -> None:
    """Writes golden/digits_pytorch.npz."""
    golden = GoldenFile("digits_pytorch", {"torch": torch.__version__})
    for name, (build, layers, shape, options, optimizer_of) in MODELS.items():
        torch.manual_seed(7)
        model = build()
        initial = {k: golden.keep(f"{name}/{k}", v.numpy().copy())
                   for k, v in model.state_dict().items()}
        losses, accuracy = train(model, optimizer_of(model.parameters()), name.startswith("conv"))
        golden.add({
            "name": name,
            "create": {"layers": layers, "input": shape, "loss": "cross_entropy",
                       "optimizer": options, "dtype": "float32"},
            "initial": initial,
            "loss": golden.keep(f"{name}/loss", np.array(losses[:CURVE])),
            "accuracy": accuracy,
        })
        print(f"{name}: last loss {losses[-1]:.3g}, test accuracy {accuracy:.4f}")
    golden.write()
