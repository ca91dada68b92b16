# SPDX-License-Identifier: Apache-2.0
"""Recalibration: what torch.optim.swa_utils.update_bn makes of uneven batches."""

from __future__ import annotations

import numpy as np
import torch
from make_common import DTYPES, GoldenFile, on_grid
from torch import nn

CASES = {
    "dense": ([nn.Linear(5, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 4), nn.BatchNorm1d(4)],
              (5,), (7, 16, 3)),
    "offset": ([nn.BatchNorm1d(5, eps=1e-3)], (5,), (9, 4, 11, 2)),
    "images": ([nn.BatchNorm2d(3, momentum=0.3)], (3, 4, 5), (2, 5, 1)),
    "volumes": ([nn.BatchNorm3d(2)], (2, 3, 2, 4), (3, 1)),
}


def layer_of(module: nn.Module) -> dict:
    if isinstance(module, nn.Linear):
        return {"type": "linear", "in": module.in_features, "out": module.out_features}
    if isinstance(module, nn.ReLU):
        return {"type": "relu"}
    return {"type": "batch_norm", "features": module.num_features, "eps": module.eps,
            "momentum": module.momentum}


def make() -> None:
    """Writes golden/statistics_pytorch.npz."""
    golden = GoldenFile("statistics_pytorch", {"torch": torch.__version__})
    for name, (modules, shape, sizes) in CASES.items():
        for dtype in DTYPES:
            torch.manual_seed(1)
            random = np.random.default_rng(2)
            model = nn.Sequential(*modules).to(getattr(torch, dtype))
            offset = 300.0 if name == "offset" else 0.5
            batches = [on_grid(random.normal(offset, 2, (n, *shape))).astype(dtype) for n in sizes]
            with torch.no_grad():
                for parameter in model.parameters():
                    values = on_grid(random.normal(0, 0.5, tuple(parameter.shape)))
                    parameter.copy_(torch.from_numpy(values.astype(dtype)))
                # Statistics that the recalibration has to forget.
                model.train()
                model(torch.from_numpy(batches[0]))
            before = {key: value.numpy().copy() for key, value in model.state_dict().items()}
            torch.optim.swa_utils.update_bn([torch.from_numpy(x) for x in batches], model)
            key = f"{name}/{dtype}"
            golden.add({
                "name": f"{name}-{dtype}",
                "create": {"layers": [layer_of(m) for m in modules], "dtype": dtype},
                "before": {n: golden.keep(f"{key}/before/{n}", v) for n, v in before.items()},
                "batches": [golden.keep(f"{key}/x/{i}", x) for i, x in enumerate(batches)],
                "after": {n: golden.keep(f"{key}/after/{n}", v.numpy())
                          for n, v in model.state_dict().items() if "running" in n or "num" in n},
            })
    golden.write()
