# SPDX-License-Identifier: Apache-2.0
"""A random small model with a random loss and optimizer, trained by PyTorch and by the daemon.

In float64: a step's rounding is 1e-16 of its numbers, and what optimizers make of it in a handful
of steps stays far below TOLERANCE. A row of a table is all that a new layer, loss or optimizer
needs.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterator, List, Tuple

import numpy as np
import torch
from torch import nn

TOLERANCE = 1e-9
# PyTorch keeps NAdam's product of momenta in float32, also for parameters of float64.
COARSE = {"nadam": 1e-6}
F64 = torch.float64

# A layer: what is drawn (JSON), its module and the wire's options for an input of some shape.
Row = Tuple[Callable[[np.random.Generator], Dict], Callable[[Dict, tuple], nn.Module]]


def nothing(_random: np.random.Generator) -> Dict:
    """No options."""
    return {}


def one_of(**choices: List[Any]) -> Callable[[np.random.Generator], Dict]:
    """Each option drawn from its list."""
    def draw(random: np.random.Generator) -> Dict:
        return {k: v[random.integers(len(v))] for k, v in choices.items()}
    return draw


NORMS = {1: nn.BatchNorm1d, 3: nn.BatchNorm2d}
ACTIVATIONS: Dict[str, Row] = {
    "relu": (nothing, lambda o, s: nn.ReLU()),
    "leaky_relu": (one_of(negative_slope=[0.01, 0.3]), lambda o, s: nn.LeakyReLU(**o)),
    "relu6": (nothing, lambda o, s: nn.ReLU6()),
    "elu": (one_of(alpha=[1.0, 0.5]), lambda o, s: nn.ELU(**o)),
    "selu": (nothing, lambda o, s: nn.SELU()),
    "gelu": (one_of(approximate=["none", "tanh"]), lambda o, s: nn.GELU(**o)),
    "silu": (nothing, lambda o, s: nn.SiLU()),
    "hardswish": (nothing, lambda o, s: nn.Hardswish()),
    "tanh": (nothing, lambda o, s: nn.Tanh()),
    "sigmoid": (nothing, lambda o, s: nn.Sigmoid()),
    "softplus": (one_of(beta=[1.0, 2.0], threshold=[20.0, 3.0]), lambda o, s: nn.Softplus(**o)),
}
NORM_LAYERS: Dict[str, Row] = {
    "batch_norm": (one_of(eps=[1e-5, 1e-2], momentum=[0.1, 0.5, None]),
                   lambda o, s: NORMS[len(s)](s[0], dtype=F64, **o)),
    "layer_norm": (one_of(eps=[1e-5, 1e-2]),
                   lambda o, s: nn.LayerNorm(list(s), dtype=F64, **o)),
    "rms_norm": (one_of(eps=[1e-5, 1e-2]), lambda o, s: nn.RMSNorm(list(s), dtype=F64, **o)),
    "group_norm": (one_of(num_groups=[1, 2]),
                   lambda o, s: nn.GroupNorm(o["num_groups"], s[0], dtype=F64)),
}
WEIGHTS: Dict[str, Row] = {
    "linear": (one_of(out=[4, 6, 8]),
               lambda o, s: nn.Linear(s[0], o["out"], bias=o["bias"], dtype=F64)),
    "conv2d": (one_of(out=[4, 6], kernel_size=[2, 3], padding=[0, 1], stride=[1, 2]),
               lambda o, s: nn.Conv2d(s[0], o["out"], o["kernel_size"], o["stride"], o["padding"],
                                      bias=o["bias"], dtype=F64)),
}
POOLS: Dict[str, Row] = {
    "max_pool2d": (nothing, lambda o, s: nn.MaxPool2d(2)),
    "avg_pool2d": (nothing, lambda o, s: nn.AvgPool2d(2)),
}
TABLE = {**ACTIVATIONS, **NORM_LAYERS, **WEIGHTS, **POOLS, "flatten": (
    nothing, lambda o, s: nn.Flatten())}

CLASSES = 4


def weights_of(options: Dict) -> Any:
    """The classes' weights as a tensor."""
    return None if options["weight"] is None else torch.tensor(options["weight"], dtype=F64)


LOSSES: Dict[str, Tuple[Callable, Callable[[Dict], nn.Module]]] = {
    "cross_entropy": (one_of(label_smoothing=[0.0, 0.1], ignore_index=[-100, 1],
                             weight=[None, [1.0, 0.5, 2.0, 1.5]]),
                      lambda o: nn.CrossEntropyLoss(**{**o, "weight": weights_of(o)})),
    "mse": (nothing, lambda o: nn.MSELoss()),
    "l1": (nothing, lambda o: nn.L1Loss()),
    "huber": (one_of(delta=[1.0, 0.3]), lambda o: nn.HuberLoss(**o)),
    "smooth_l1": (one_of(beta=[1.0, 0.3]), lambda o: nn.SmoothL1Loss(**o)),
    "binary_cross_entropy_with_logits": (nothing, lambda o: nn.BCEWithLogitsLoss()),
}
# A gradient that a norm behind cancels is rounding alone, of which a rule that divides by its size
# makes a step: an epsilon well above it lets both sides agree.
EPS = [1e-4, 1e-3]
OPTIMIZERS: Dict[str, Tuple[Callable, Any]] = {
    "sgd": (one_of(lr=[0.05], momentum=[0.0, 0.9], weight_decay=[0.0, 0.01]), torch.optim.SGD),
    "adam": (one_of(lr=[1e-2], betas=[[0.9, 0.999], [0.8, 0.9]], amsgrad=[False, True],
                     eps=EPS),
             torch.optim.Adam),
    "adamw": (one_of(lr=[1e-2], weight_decay=[0.01, 0.1], eps=EPS), torch.optim.AdamW),
    "rmsprop": (one_of(lr=[1e-3], momentum=[0.0, 0.5], centered=[False, True], eps=EPS),
                torch.optim.RMSprop),
    "adagrad": (one_of(lr=[0.05], lr_decay=[0.0, 0.1], eps=EPS), torch.optim.Adagrad),
    "nadam": (one_of(lr=[1e-2], momentum_decay=[4e-3], eps=EPS), torch.optim.NAdam),
}


def pick(random: np.random.Generator, table: Dict[str, Any]) -> Dict[str, Any]:
    """A row, with its options drawn."""
    name = list(table)[random.integers(len(table))]
    return {"type": name, **table[name][0](random)}


def draw_layers(random: np.random.Generator, images: bool) -> List[Dict[str, Any]]:
    """Blocks of weights, perhaps a norm, an activation; at the end linear to the outputs."""
    layers: List[Dict[str, Any]] = []
    for block in range(int(random.integers(1, 4))):
        image = images and block == 0
        weights = pick(random, {"conv2d": WEIGHTS["conv2d"]} if image else
                       {"linear": WEIGHTS["linear"]})
        norm = pick(random, NORM_LAYERS) if random.random() < 0.7 else None
        # A norm takes the bias out again: its gradient is rounding alone, of which optimizers that
        # divide by its size make steps.
        weights["bias"] = norm is None and bool(random.integers(2))
        layers += [weights] + ([norm] if norm else []) + [pick(random, ACTIVATIONS)]
        if image:
            layers += ([pick(random, POOLS)] if random.integers(2) else []) + [{"type": "flatten"}]
    return layers + [{"type": "linear", "out": CLASSES, "bias": True}]


def draw(random: np.random.Generator) -> Dict[str, Any]:
    """A case that JSON can hold."""
    images = bool(random.integers(2))
    return {
        "kind": "model", "input": [3, 7, 6] if images else [5],
        "layers": draw_layers(random, images), "loss": pick(random, LOSSES),
        "optimizer": pick(random, OPTIMIZERS), "rows": int(random.integers(4, 13)),
        "steps": int(random.integers(1, 9)), "data_seed": int(random.integers(2**31)),
    }


def options_of(layer: Dict[str, Any]) -> Dict[str, Any]:
    """All but the type."""
    return {k: v for k, v in layer.items() if k != "type"}


def build(case: Dict[str, Any]) -> Tuple[nn.Sequential, List[Dict[str, Any]]]:
    """PyTorch's model, and the wire's layers with the same initial values."""
    torch.manual_seed(case["data_seed"])
    x = torch.zeros((2, *case["input"]), dtype=F64)
    modules, wire = [], []
    for layer in case["layers"]:
        module = TABLE[layer["type"]][1](options_of(layer), tuple(x.shape[1:]))
        given = dict(layer)
        if layer["type"] in POOLS:
            given["kernel_size"] = 2
        if layer["type"] in ("layer_norm", "rms_norm"):
            given["normalized_shape"] = list(x.shape[1:])
        for name, values in module.named_parameters():
            given[f"{name}_init"] = values.detach().numpy().copy()
        with torch.no_grad():
            x = module.eval()(x)
        modules.append(module.train())
        wire.append(given)
    return nn.Sequential(*modules), wire


def target_of(case: Dict[str, Any], random: np.random.Generator) -> np.ndarray:
    """What the loss takes."""
    rows, kind = case["rows"], case["loss"]["type"]
    if kind == "cross_entropy":
        return random.integers(0, CLASSES, rows)
    if kind.startswith("binary"):
        return random.integers(0, 2, (rows, CLASSES)).astype(np.float64)
    return random.normal(size=(rows, CLASSES))


def close(case: Dict[str, Any], got: Any, want: Any, what: str) -> None:
    """Within the tolerance, relative to the largest."""
    want = np.asarray(want)
    worst = np.abs(np.asarray(got) - want).max()
    tolerance = COARSE.get(case["optimizer"]["type"], TOLERANCE)
    allowed = tolerance * max(1.0, np.abs(want).max())
    assert worst <= allowed, f"{what}: off by {worst:.3g}, allowed {allowed:.3g}"


def check(rpc: Any, case: Dict[str, Any]) -> None:
    """Raises where the loss of a step, or the outputs at the end, differ."""
    random = np.random.default_rng(case["data_seed"])
    model, wire = build(case)
    loss = LOSSES[case["loss"]["type"]][1](options_of(case["loss"]))
    optimizer = OPTIMIZERS[case["optimizer"]["type"]][1](
        model.parameters(), **options_of(case["optimizer"]))
    rpc.call("session.create", session="live", if_exists="replace", layers=wire,
             input=case["input"], dtype="float64", loss=case["loss"], optimizer=case["optimizer"])
    x = np.zeros(())
    for step in range(case["steps"]):
        x = random.normal(size=(case["rows"], *case["input"]))
        target = target_of(case, random)
        optimizer.zero_grad()
        value = loss(model(torch.from_numpy(x)), torch.from_numpy(target))
        value.backward()
        optimizer.step()
        answer = rpc.call("train", session="live", x=x, target=target)
        close(case, answer["loss"], value.item(), f"loss of step {step}")
    model.eval()
    with torch.no_grad():
        want = model(torch.from_numpy(x)).numpy()
    close(case, rpc.call("infer", session="live", x=x)["y"], want, "outputs")


def simpler(case: Dict[str, Any]) -> Iterator[Dict[str, Any]]:
    """Cases with less in them."""
    if case["steps"] > 1:
        yield {**case, "steps": 1}
        yield {**case, "steps": case["steps"] - 1}
    for place, layer in enumerate(case["layers"][:-1]):
        if layer["type"] in ACTIVATIONS or layer["type"] in NORM_LAYERS or layer["type"] in POOLS:
            yield {**case, "layers": case["layers"][:place] + case["layers"][place + 1:]}
    if case["loss"]["type"] != "mse":
        yield {**case, "loss": {"type": "mse"}}
    if case["optimizer"] != {"type": "sgd", "lr": 0.05}:
        yield {**case, "optimizer": {"type": "sgd", "lr": 0.05}}
