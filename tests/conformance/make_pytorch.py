# SPDX-License-Identifier: Apache-2.0
"""PyTorch's golden values: batch norm, gradients of every layer and loss, whole trainings."""

from __future__ import annotations

import sys
from typing import Any, Callable, Dict, List

import numpy as np
import torch
from make_common import DTYPES, GoldenFile, compact_batches, on_grid, training_data
from torch import nn

VERSIONS = {
    "python": sys.version.split()[0],
    "numpy": np.__version__,
    "torch": torch.__version__,
}
NORMS = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}

# Name, shape, offset of the data, options as both sides take them.
BATCH_NORMS = [
    ("rows_and_features", (16, 5), 0.0, {}),
    ("two_rows", (2, 7), 0.0, {}),
    ("one_feature", (33, 1), 0.0, {}),
    ("signals", (4, 3, 9), 0.0, {}),
    ("images", (3, 4, 3, 5), 0.0, {}),
    ("volumes", (2, 3, 2, 3, 4), 0.0, {}),
    ("momentum", (16, 5), 0.0, {"momentum": 0.75}),
    ("cumulative", (16, 5), 0.0, {"momentum": None}),
    ("eps", (16, 5), 0.0, {"eps": 0.25}),
    ("not_affine", (3, 4, 3, 2), 0.0, {"affine": False}),
    ("not_tracked", (16, 5), 0.0, {"track_running_stats": False}),
    ("large_mean", (16, 5), 1000.0, {}),
]


def state_of(golden: GoldenFile, key: str, model: nn.Module) -> Dict[str, Any]:
    """Every tensor of the state_dict, stored under `key`."""
    return {
        name: golden.keep(f"{key}/{name}", value.detach().numpy().copy())
        for name, value in model.state_dict().items()
    }


def batch_norm_case(
    golden: GoldenFile, name: str, shape: tuple, offset: float, options: Dict, dtype: str
) -> None:
    """Three forward and backward steps with SGD on gamma and beta, then eval mode."""
    random = np.random.default_rng(len(golden.cases))
    key, features = f"{name}_{dtype}", shape[1]
    norm = NORMS[len(shape)](features, dtype=getattr(torch, dtype), **options)
    model = nn.Sequential(norm)
    layer: Dict[str, Any] = {"type": "batch_norm", "features": features, **options}
    rates = {"weight_lr": 0.5, "bias_lr": 0.125}
    if norm.affine:
        initial = {"weight": random.normal(1, 0.5, features), "bias": random.normal(0, 1, features)}
        for part, values in initial.items():
            values = on_grid(values)
            getattr(norm, part).data = torch.from_numpy(values.astype(dtype))
            layer[f"{part}_init"] = golden.keep(f"{key}/{part}_init", values.astype(dtype))
    case: Dict[str, Any] = {
        "name": key,
        "create": {
            "layers": [layer],
            "input": list(shape[1:]),
            "dtype": dtype,
            "convention": "pytorch",
            "optimizer": {"type": "sgd", "lr": 1.0, **rates},
        },
        "steps": [],
    }
    for step in range(3):
        x = on_grid(random.normal(size=shape) * (1 + step) + offset)
        dy = on_grid(random.normal(size=shape))
        tensor = torch.from_numpy(x.astype(dtype)).requires_grad_()
        y = model(tensor)
        y.backward(torch.from_numpy(dy.astype(dtype)))
        if norm.affine:
            with torch.no_grad():
                norm.weight -= rates["weight_lr"] * norm.weight.grad
                norm.bias -= rates["bias_lr"] * norm.bias.grad
            norm.zero_grad()
        case["steps"].append({
            "x": golden.keep(f"{key}/{step}/x", x),
            "dy": golden.keep(f"{key}/{step}/dy", dy),
            "y": golden.keep(f"{key}/{step}/y", y.detach().numpy()),
            "dx": golden.keep(f"{key}/{step}/dx", tensor.grad.numpy()),
            "state": state_of(golden, f"{key}/{step}", model),
        })
    model.eval()
    x = on_grid(random.normal(size=shape) + offset)
    case["eval_x"] = golden.keep(f"{key}/eval_x", x)
    y = model(torch.from_numpy(x.astype(dtype))).detach().numpy()
    case["eval_y"] = golden.keep(f"{key}/eval_y", y)
    golden.add(case)


def linear_options(golden: GoldenFile, key: str, linear: nn.Linear) -> Dict[str, Any]:
    """The layer with its initial values."""
    options = {
        "type": "linear",
        "out": linear.out_features,
        "bias": linear.bias is not None,
        "weight_init": golden.keep(f"{key}/weight_init", linear.weight.detach().numpy().copy()),
    }
    if linear.bias is not None:
        values = linear.bias.detach().numpy().copy()
        options["bias_init"] = golden.keep(f"{key}/bias_init", values)
    return options


def make_model(golden: GoldenFile, key: str, widths: List[int], dtype: str, **options: Any):
    """linear, batch norm, relu, ..., linear, and its description with initial values."""
    torch.manual_seed(7)
    layers: List[nn.Module] = []
    described: List[Dict[str, Any]] = []
    for place, (before, after) in enumerate(zip(widths, widths[1:])):
        last = place == len(widths) - 2
        linear = nn.Linear(before, after, bias=last or options.get("bias", True)).double()
        linear = linear.float() if dtype == "float32" else linear
        layers.append(linear)
        described.append(linear_options(golden, f"{key}/{len(layers) - 1}", linear))
        if not last:
            layers += [nn.BatchNorm1d(after, dtype=getattr(torch, dtype)), nn.ReLU()]
            described += [{"type": "batch_norm"}, {"type": "relu"}]
    return nn.Sequential(*layers), described


def gradient_case(golden: GoldenFile, loss: str, dtype: str) -> None:
    """Three steps of plain SGD with rate 1: what a parameter moves by is its gradient."""
    random = np.random.default_rng(3)
    key = f"{loss}_{dtype}"
    model, layers = make_model(golden, key, [6, 8, 4], dtype)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    function = nn.CrossEntropyLoss() if loss == "cross_entropy" else nn.MSELoss()
    case: Dict[str, Any] = {
        "name": key,
        "create": {
            "layers": layers, "input": 6, "dtype": dtype, "convention": "pytorch", "loss": loss,
            "optimizer": {"type": "sgd", "lr": 1.0},
        },
        "steps": [],
    }
    for step in range(3):
        x = on_grid(random.normal(size=(16, 6)))
        target = random.integers(0, 4, 16) if loss == "cross_entropy" else None
        values = target if target is not None else on_grid(random.normal(size=(16, 4)))
        wanted = torch.from_numpy(values if target is not None else values.astype(dtype))
        optimizer.zero_grad()
        result = function(model(torch.from_numpy(x.astype(dtype))), wanted)
        result.backward()
        optimizer.step()
        case["steps"].append({
            "x": golden.keep(f"{key}/{step}/x", x),
            "target": golden.keep(f"{key}/{step}/target", values),
            "loss": result.item(),
            "state": state_of(golden, f"{key}/{step}", model),
        })
    golden.add(case)


def layer_gradient_case(golden: GoldenFile, name: str, dtype: str) -> None:
    """y, dx and parameter gradients of linear and relu layers alone."""
    random = np.random.default_rng(4)
    key = f"{name}_{dtype}"
    torch.manual_seed(11)
    kind = getattr(torch, dtype)
    modules = {
        "linear": [nn.Linear(5, 7, dtype=kind)],
        "linear_without_bias": [nn.Linear(5, 7, bias=False, dtype=kind)],
        "relu": [nn.ReLU()],
        "linear_relu": [nn.Linear(5, 7, dtype=kind), nn.ReLU()],
    }[name]
    layers = [
        linear_options(golden, f"{key}/{place}", module)
        if isinstance(module, nn.Linear) else {"type": "relu"}
        for place, module in enumerate(modules)
    ]
    model = nn.Sequential(*modules)
    x, width = on_grid(random.normal(size=(9, 5))), 5 if name == "relu" else 7
    # Zero is where relu's derivative is a convention: 0.
    x[0, 0] = 0.0
    dy = on_grid(random.normal(size=(9, width)))
    tensor = torch.from_numpy(x.astype(dtype)).requires_grad_()
    y = model(tensor)
    y.backward(torch.from_numpy(dy.astype(dtype)))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= parameter.grad
    golden.add({
        "name": key,
        "create": {
            "layers": layers, "input": 5, "dtype": dtype, "convention": "pytorch",
            "optimizer": {"type": "sgd", "lr": 1.0},
        },
        "steps": [{
            "x": golden.keep(f"{key}/x", x), "dy": golden.keep(f"{key}/dy", dy),
            "y": golden.keep(f"{key}/y", y.detach().numpy()),
            "dx": golden.keep(f"{key}/dx", tensor.grad.numpy()),
            "state": state_of(golden, f"{key}/after", model),
        }],
    })


Optimizer = Callable[[nn.Module], torch.optim.Optimizer]

# Name, the wire's options, the same in PyTorch, whether the linear before the norm has a bias.
OPTIMIZERS: "List[tuple[str, Dict[str, Any], Optimizer, bool]]" = [
    ("adam", {"type": "adam", "lr": 1e-3},
     lambda m: torch.optim.Adam(m.parameters(), lr=1e-3), True),
    ("adam_options",
     {"type": "adam", "lr": 1e-2, "betas": [0.8, 0.95], "eps": 1e-6, "weight_decay": 1e-2},
     lambda m: torch.optim.Adam(
         m.parameters(), lr=1e-2, betas=(0.8, 0.95), eps=1e-6, weight_decay=1e-2), False),
    ("sgd", {"type": "sgd", "lr": 0.05}, lambda m: torch.optim.SGD(m.parameters(), lr=0.05), True),
    ("sgd_momentum",
     {"type": "sgd", "lr": 0.02, "momentum": 0.9, "weight_decay": 1e-3},
     lambda m: torch.optim.SGD(m.parameters(), lr=0.02, momentum=0.9, weight_decay=1e-3), True),
    ("sgd_nesterov",
     {"type": "sgd", "lr": 0.02, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-3},
     lambda m: torch.optim.SGD(
         m.parameters(), lr=0.02, momentum=0.9, nesterov=True, weight_decay=1e-3), False),
    ("sgd_norm_rates",
     {"type": "sgd", "lr": 0.05, "weight_lr": 0.1, "bias_lr": 0.0125},
     lambda m: torch.optim.SGD([
         {"params": [p for n, p in m.named_parameters() if n not in ("1.weight", "1.bias")]},
         {"params": [m[1].weight], "lr": 0.1}, {"params": [m[1].bias], "lr": 0.0125},
     ], lr=0.05), False),
]


def training_case(
    golden: GoldenFile, batches: Dict, x: np.ndarray, target: np.ndarray, row: tuple, dtype: str
) -> None:
    """One hundred steps of linear, batch norm, relu, linear, cross-entropy."""
    name, wire, make, bias = row
    key = f"{name}_{dtype}"
    model, layers = make_model(golden, key, [10, 16, 4], dtype, bias=bias)
    optimizer = make(model)
    losses, accuracies = [], []
    for rows, labels in zip(x, target):
        optimizer.zero_grad()
        logits = model(torch.from_numpy(rows.astype(dtype)))
        loss = nn.functional.cross_entropy(logits, torch.from_numpy(labels))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        accuracies.append((logits.argmax(1).numpy() == labels).mean())
    model.eval()
    with torch.no_grad():
        logits = model(torch.from_numpy(x[0].astype(dtype)))
        final = nn.functional.cross_entropy(logits, torch.from_numpy(target[0])).item()
    golden.add({
        "name": key,
        "create": {
            "layers": layers, "input": 10, "dtype": dtype, "convention": "pytorch",
            "loss": "cross_entropy", "optimizer": wire,
        },
        "batches": batches,
        "loss": golden.keep(f"{key}/loss", losses),
        "accuracy": golden.keep(f"{key}/accuracy", accuracies),
        "eval_loss": final,
        "state": state_of(golden, f"{key}/final", model),
        "bias_before_norm": bias,
    })


def make() -> None:
    """Writes the three files."""
    torch.set_num_threads(1)
    golden = GoldenFile("batch_norm_pytorch", VERSIONS)
    for row in BATCH_NORMS:
        for dtype in DTYPES:
            batch_norm_case(golden, *row, dtype)
    golden.write()
    golden = GoldenFile("gradients_pytorch", VERSIONS)
    for dtype in DTYPES:
        for name in ("linear", "linear_without_bias", "relu", "linear_relu"):
            layer_gradient_case(golden, name, dtype)
        for loss in ("cross_entropy", "mse"):
            gradient_case(golden, loss, dtype)
    golden.write()
    golden = GoldenFile("training_pytorch", VERSIONS)
    x, target = training_data(5, 100, 32, 10, 4)
    batches = compact_batches(golden, "batches", x, target)
    for row in OPTIMIZERS:
        for dtype in DTYPES:
            training_case(golden, batches, x, target, row, dtype)
    golden.write()
