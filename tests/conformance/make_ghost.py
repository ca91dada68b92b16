# SPDX-License-Identifier: Apache-2.0
"""PyTorch's golden values for contiguous virtual batches, as TabNet's ghost batch norm has them.

    python make_ghost.py

Needs torch; the tests do not. A ghost batch norm is one BatchNorm that is called for each chunk of
torch.chunk(x, ceil(N / size)) in turn. All values are of float64, as those of make_renorm.py.
"""

from __future__ import annotations

import math
import sys
from typing import Any, Dict

import numpy as np
import torch
from make_common import GoldenFile, on_grid

VERSIONS = {
    "python": sys.version.split()[0], "numpy": np.__version__, "torch": torch.__version__,
}
STEPS = 10
RATES = {"weight_lr": 0.5, "bias_lr": 0.125}
KINDS = {2: torch.nn.BatchNorm1d, 3: torch.nn.BatchNorm1d, 4: torch.nn.BatchNorm2d,
         5: torch.nn.BatchNorm3d}

# Name, shape, virtual batch size, options as both sides take them.
CASES = [
    ("rows", (12, 5), 4, {}),
    ("uneven", (10, 5), 4, {"momentum": 0.5}),
    ("uneven_even", (9, 4), 8, {}),
    ("one_chunk", (6, 4), 8, {}),
    ("cumulative", (12, 3), 5, {"momentum": None}),
    ("signals", (7, 3, 4), 3, {"momentum": 0.25}),
    ("images", (6, 3, 2, 4), 2, {}),
    ("volumes", (5, 2, 2, 3, 2), 2, {"eps": 0.1}),
    ("not_affine", (8, 3), 2, {"affine": False}),
    ("untracked", (8, 3), 4, {"track_running_stats": False}),
]


def ghost(norm: torch.nn.Module, x: torch.Tensor, size: int) -> torch.Tensor:
    """The chunks of x through the layer, one after the other."""
    return torch.cat([norm(chunk) for chunk in torch.chunk(x, math.ceil(len(x) / size))])


def state(norm: torch.nn.Module) -> Dict[str, np.ndarray]:
    """Parameters and buffers under the names of session.export."""
    return {f"0.{name}": value.numpy().copy() for name, value in norm.state_dict().items()}


def add_case(golden: GoldenFile, name: str, shape: tuple, size: int, options: Dict) -> None:
    """Ten steps of forward, backward and gradient descent, then inference."""
    random = np.random.default_rng(900 + len(golden.cases))
    norm = KINDS[len(shape)](shape[1], dtype=torch.float64, **options)
    wire = {"type": "batch_norm", "features": shape[1], "virtual_batch_size": size, **options}
    for part, at in (("weight", 1.0), ("bias", 0.0)):
        if getattr(norm, part) is not None:
            values = on_grid(random.normal(at, 0.5, shape[1])).astype(np.float64)
            getattr(norm, part).data = torch.from_numpy(values.copy())
            wire[f"{part}_init"] = golden.keep(f"{name}/{part}_init", values)
    case: Dict[str, Any] = {
        "name": f"ghost_{name}",
        "create": {
            "layers": [wire], "input": list(shape[1:]), "convention": "pytorch",
            "optimizer": {"type": "sgd", "lr": 1.0, **RATES},
        },
    }
    records = []
    for _ in range(STEPS):
        x = on_grid(random.normal(random.uniform(-1, 1), random.uniform(0.5, 2.0), shape))
        dy = on_grid(random.normal(0, 0.25, shape))
        tensor = torch.from_numpy(x.astype(np.float64)).requires_grad_()
        y = ghost(norm, tensor, size)
        y.backward(torch.from_numpy(dy.astype(np.float64)))
        with torch.no_grad():
            for part, rate in (("weight", "weight_lr"), ("bias", "bias_lr")):
                parameter = getattr(norm, part)
                if parameter is not None:
                    parameter -= RATES[rate] * parameter.grad
                    parameter.grad = None
        records.append({
            "x": x, "dy": dy, "y": y.detach().numpy(), "dx": tensor.grad.numpy(), **state(norm)
        })
    for part in records[0]:
        case[part] = golden.keep(f"{name}/{part}", np.stack([record[part] for record in records]))
    norm.eval()
    x = on_grid(random.normal(0.5, 1, shape))
    case["eval_x"] = golden.keep(f"{name}/eval_x", x)
    with torch.no_grad():
        y = ghost(norm, torch.from_numpy(x.astype(np.float64)), size)
    case["eval_y"] = golden.keep(f"{name}/eval_y", y.numpy())
    golden.add(case)


def make() -> None:
    """Writes the file."""
    torch.set_num_threads(1)
    golden = GoldenFile("renorm_ghost_pytorch", VERSIONS)
    for row in CASES:
        add_case(golden, *row)
    golden.write()


if __name__ == "__main__":
    make()
