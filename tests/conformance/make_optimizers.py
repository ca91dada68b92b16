# SPDX-License-Identifier: Apache-2.0
"""One hundred steps of every optimizer with given gradients, in PyTorch's and in Keras' form.

The parameters are those of a linear layer with one input of 0.5: with a row of dy its bias has dy
for a gradient, and its weight half of it, exactly.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, List

import keras
import make_keras
import make_pytorch
import numpy as np
import torch
from make_common import DTYPES, GRID, GoldenFile, compact_batches, on_grid, training_data

OUT = 12
BATCHES = 100
CHECKED = (1, 10, 100)
Rows = List[tuple]

# Name, type, options, how gradients are clipped before.
PYTORCH: Rows = [
    ("sgd", "sgd", {}, None),
    ("sgd_momentum", "sgd", {"lr": 0.02, "momentum": 0.9}, None),
    ("sgd_nesterov", "sgd",
     {"lr": 0.02, "momentum": 0.8, "nesterov": True, "weight_decay": 0.05}, None),
    ("sgd_dampening", "sgd",
     {"lr": 0.05, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}, None),
    ("sgd_maximize", "sgd", {"lr": 0.01, "weight_decay": 0.1, "maximize": True}, None),
    ("adam", "adam", {}, None),
    ("adam_options", "adam",
     {"lr": 0.02, "betas": [0.8, 0.95], "eps": 1e-3, "weight_decay": 0.05}, None),
    ("adam_amsgrad", "adam", {"lr": 0.01, "amsgrad": True, "weight_decay": 0.1}, None),
    ("adam_maximize", "adam", {"lr": 0.01, "maximize": True, "weight_decay": 0.1}, None),
    ("adam_decoupled", "adam",
     {"lr": 0.01, "weight_decay": 0.1, "decoupled_weight_decay": True}, None),
    ("adamw", "adamw", {}, None),
    ("adamw_options", "adamw",
     {"lr": 0.02, "betas": [0.5, 0.9], "weight_decay": 0.3, "amsgrad": True}, None),
    ("adamw_maximize", "adamw", {"lr": 0.02, "weight_decay": 0.3, "maximize": True}, None),
    ("rmsprop", "rmsprop", {}, None),
    ("rmsprop_options", "rmsprop",
     {"lr": 0.005, "alpha": 0.9, "eps": 1e-3, "weight_decay": 0.1}, None),
    ("rmsprop_momentum", "rmsprop", {"lr": 0.002, "momentum": 0.9}, None),
    ("rmsprop_centered", "rmsprop", {"lr": 0.005, "centered": True}, None),
    ("rmsprop_all", "rmsprop",
     {"lr": 0.002, "momentum": 0.8, "centered": True, "weight_decay": 0.1, "maximize": True}, None),
    ("adagrad", "adagrad", {}, None),
    ("adagrad_decay", "adagrad",
     {"lr": 0.1, "lr_decay": 0.05, "initial_accumulator_value": 0.5}, None),
    ("adagrad_options", "adagrad",
     {"lr": 0.1, "eps": 1e-3, "weight_decay": 0.1, "maximize": True}, None),
    ("nadam", "nadam", {}, None),
    ("nadam_options", "nadam",
     {"lr": 0.02, "betas": [0.8, 0.95], "eps": 1e-4, "weight_decay": 0.1, "momentum_decay": 0.02},
     None),
    ("nadam_decoupled", "nadam",
     {"lr": 0.02, "weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}, None),
    ("lion", "lion", {}, None),
    ("lion_options", "lion", {"lr": 0.003, "betas": [0.8, 0.95], "weight_decay": 0.5}, None),
    ("clip_value", "adam", {"lr": 0.01}, ("clip_grad_value", 0.5)),
    ("clip_norm", "sgd", {"lr": 0.02, "momentum": 0.9}, ("clip_grad_norm", 2.0)),
    ("clip_norm_each", "sgd", {"lr": 0.02}, ("clip_grad_norm_each", 1.5)),
]

# Options of the bias alone.
PYTORCH_GROUPS: Rows = [
    ("groups_adamw", "adamw", {"lr": 0.01, "weight_decay": 0.2},
     {"lr": 0.03, "weight_decay": 0.0}),
    ("groups_sgd", "sgd", {"lr": 0.02},
     {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    ("groups_adam", "adam", {"lr": 0.02, "betas": [0.8, 0.95]},
     {"betas": [0.5, 0.9], "eps": 1e-2, "amsgrad": True}),
    ("groups_rmsprop", "rmsprop", {"lr": 0.002}, {"momentum": 0.9, "centered": True}),
    ("groups_adagrad", "adagrad", {"lr": 0.1}, {"lr_decay": 0.05, "eps": 1e-3}),
    ("groups_nadam", "nadam", {"lr": 0.02}, {"betas": [0.7, 0.9], "momentum_decay": 0.1}),
]

KERAS: Rows = [
    ("sgd", "SGD", {}),
    ("sgd_momentum", "SGD", {"learning_rate": 0.02, "momentum": 0.9}),
    ("sgd_nesterov", "SGD",
     {"learning_rate": 0.02, "momentum": 0.8, "nesterov": True, "weight_decay": 0.05}),
    ("adam", "Adam", {}),
    ("adam_options", "Adam",
     {"learning_rate": 0.02, "beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-3, "weight_decay": 0.05}),
    ("adam_amsgrad", "Adam", {"learning_rate": 0.01, "amsgrad": True}),
    ("adamw", "AdamW", {}),
    ("adamw_options", "AdamW",
     {"learning_rate": 0.02, "beta_1": 0.5, "beta_2": 0.9, "weight_decay": 0.3, "amsgrad": True}),
    ("rmsprop", "RMSprop", {}),
    ("rmsprop_options", "RMSprop",
     {"learning_rate": 0.005, "rho": 0.8, "epsilon": 1e-3, "weight_decay": 0.1}),
    ("rmsprop_momentum", "RMSprop", {"learning_rate": 0.002, "momentum": 0.9}),
    ("rmsprop_centered", "RMSprop", {"learning_rate": 0.005, "centered": True}),
    ("rmsprop_all", "RMSprop",
     {"learning_rate": 0.002, "momentum": 0.8, "centered": True, "weight_decay": 0.1}),
    ("adagrad", "Adagrad", {}),
    ("adagrad_options", "Adagrad",
     {"learning_rate": 0.1, "initial_accumulator_value": 0.5, "epsilon": 1e-3,
      "weight_decay": 0.1}),
    ("nadam", "Nadam", {}),
    ("nadam_options", "Nadam",
     {"learning_rate": 0.02, "beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-4, "weight_decay": 0.1}),
    ("lion", "Lion", {}),
    ("lion_options", "Lion",
     {"learning_rate": 0.003, "beta_1": 0.8, "beta_2": 0.95, "weight_decay": 0.5}),
    ("clip_value", "Adam", {"learning_rate": 0.01, "clipvalue": 0.5, "weight_decay": 0.1}),
    ("clip_norm", "SGD", {"learning_rate": 0.02, "clipnorm": 1.5, "weight_decay": 0.1}),
    ("clip_global_norm", "SGD",
     {"learning_rate": 0.02, "momentum": 0.9, "global_clipnorm": 2.0, "weight_decay": 0.1}),
    ("accumulate", "Adam", {"learning_rate": 0.02, "gradient_accumulation_steps": 4}),
    ("accumulate_and_clip", "SGD",
     {"learning_rate": 0.05, "momentum": 0.9, "gradient_accumulation_steps": 5, "clipnorm": 0.5,
      "weight_decay": 0.1}),
]


class Lion(torch.optim.Optimizer):
    """Lion as its authors wrote it for PyTorch, which has none (Chen et al., 2023, listing 1)."""

    def __init__(self, params: Any, lr: float = 1e-4, betas: Any = (0.9, 0.99),
                 weight_decay: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self) -> None:
        """One step."""
        for group in self.param_groups:
            beta_1, beta_2 = group["betas"]
            for parameter in group["params"]:
                state = self.state[parameter]
                average = state.setdefault("exp_avg", torch.zeros_like(parameter))
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                update = (average * beta_1 + parameter.grad * (1 - beta_1)).sign()
                parameter.sub_(group["lr"] * update)
                average.mul_(beta_2).add_(parameter.grad, alpha=1 - beta_2)


CLASSES = {
    "sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop, "adagrad": torch.optim.Adagrad, "nadam": torch.optim.NAdam,
    "lion": Lion,
}
CLIPPERS: Dict[str, Callable] = {
    "clip_grad_value": torch.nn.utils.clip_grad_value_,
    "clip_grad_norm": torch.nn.utils.clip_grad_norm_,
    "clip_grad_norm_each": lambda parameters, most: [
        torch.nn.utils.clip_grad_norm_([parameter], most) for parameter in parameters],
}


def start_and_gradients() -> "tuple[np.ndarray, np.ndarray, np.ndarray]":
    """Initial weight (OUT, 1) and bias, and dy of every batch; scales differ within the layer."""
    random = np.random.default_rng(21)
    weight = on_grid(random.normal(size=(OUT, 1)))
    bias = on_grid(random.normal(size=OUT))
    scale = np.geomspace(0.1, 4.0, OUT)
    dy = on_grid(random.normal(0.2, 1.0, (BATCHES, OUT)) * scale)
    dy[5:8] = 0.0
    return weight, bias, dy


class Recorder:
    """The parameters at the checked batches, and how far the fastest travelled until then."""

    def __init__(self, golden: GoldenFile, key: str, values: List[np.ndarray]) -> None:
        self.golden, self.key = golden, key
        self.last = [value.astype(np.float64) for value in values]
        self.travel = 0.0
        self.checked: List[Dict[str, Any]] = []

    def after(self, batch: int, values: List[np.ndarray]) -> None:
        """Takes the parameters after that many batches."""
        wide = [value.astype(np.float64) for value in values]
        self.travel += max(np.abs(a - b).max() for a, b in zip(wide, self.last))
        self.last = wide
        if batch in CHECKED:
            key = f"{self.key}/{batch}"
            self.checked.append({
                "batch": batch,
                "travel": self.travel,
                "weight": self.golden.keep(f"{key}/weight", values[0].copy()),
                "bias": self.golden.keep(f"{key}/bias", values[1].copy()),
            })


def add_case(golden: GoldenFile, name: str, dtype: str, convention: str, wire: Dict[str, Any],
             recorder: Recorder) -> None:
    """Stores a case of given gradients."""
    golden.add({
        "name": f"{name}_{dtype}",
        "create": {
            "layers": [{
                "type": "linear", "in": 1, "out": OUT,
                "weight_init": {"$array": "weight"}, "bias_init": {"$array": "bias"},
            }],
            "dtype": dtype, "convention": convention, "optimizer": wire,
        },
        "dy": {"$array": "dy"},
        "grid": GRID,
        "checked": recorder.checked,
    })


def pytorch_case(golden: GoldenFile, name: str, kind: str, options: Dict, dtype: str, *,
                 clip: Any = None, group: Any = None, accumulate: int = 1) -> None:
    """One hundred batches through an optimizer of torch.optim."""
    # NAdam keeps its product of momenta in the default type.
    torch.set_default_dtype(getattr(torch, dtype))
    weight, bias, dy = start_and_gradients()
    parameters = [torch.nn.Parameter(torch.from_numpy(value.astype(dtype))) for value in
                  (weight, bias)]
    groups: Any = parameters
    wire: Dict[str, Any] = {"type": kind, **options}
    if group is not None:
        groups = [{"params": parameters[:1]}, {"params": parameters[1:], **group}]
        wire["groups"] = [{"match": "bias", **group}]
    optimizer = CLASSES[kind](groups, **options)
    if clip is not None:
        wire[clip[0]] = clip[1]
    if accumulate > 1:
        wire["accumulate_steps"] = accumulate
    recorder = Recorder(golden, f"{name}_{dtype}", [weight, bias])
    sums = [torch.zeros_like(parameter) for parameter in parameters]
    for batch in range(1, BATCHES + 1):
        row = torch.from_numpy(dy[batch - 1].astype(dtype))
        sums = [sums[0] + 0.5 * row[:, None], sums[1] + row]
        if batch % accumulate == 0:
            for parameter, total in zip(parameters, sums):
                parameter.grad = total / accumulate
            if clip is not None:
                CLIPPERS[clip[0]](parameters, clip[1])
            optimizer.step()
            sums = [torch.zeros_like(parameter) for parameter in parameters]
        recorder.after(batch, [parameter.detach().numpy() for parameter in parameters])
    torch.set_default_dtype(torch.float32)
    add_case(golden, name, dtype, "pytorch", wire, recorder)


def keras_case(golden: GoldenFile, name: str, kind: str, options: Dict, dtype: str,
               no_decay: bool = False) -> None:
    """One hundred batches through an optimizer of keras.optimizers."""
    keras.config.set_floatx(dtype)
    weight, bias, dy = start_and_gradients()
    variables = [keras.Variable(value.astype(dtype), dtype=dtype, name=variable) for value, variable
                 in ((weight, "kernel"), (bias, "bias"))]
    optimizer = getattr(keras.optimizers, kind)(**options)
    wire: Dict[str, Any] = {"type": kind.lower(), **options}
    if no_decay:
        optimizer.exclude_from_weight_decay(var_names=["bias"])
        wire["no_decay"] = ["bias"]
    optimizer.build(variables)
    recorder = Recorder(golden, f"{name}_{dtype}", [weight, bias])
    for batch in range(1, BATCHES + 1):
        row = torch.from_numpy(dy[batch - 1].astype(dtype))
        with torch.no_grad():
            optimizer.apply([0.5 * row[:, None], row.clone()], variables)
        recorder.after(batch, [make_keras.numpy_of(variable) for variable in variables])
    add_case(golden, name, dtype, "keras", wire, recorder)


def training_case(golden: GoldenFile, batches: Dict, x: np.ndarray, target: np.ndarray,
                  dtype: str) -> None:
    """A model with norms, whose groups go by role, layer and name."""
    key = f"groups_training_{dtype}"
    model, layers = make_pytorch.make_model(golden, key, [10, 16, 4], dtype, bias=False)
    last = model[3]
    groups = [
        {"params": [model[1].weight, model[1].bias], "lr": 0.1, "weight_decay": 0.0},
        {"params": [last.bias], "momentum": 0.5},
        {"params": [last.weight], "weight_decay": 0.1},
        {"params": [model[0].weight]},
    ]
    wire = {
        "type": "sgd", "lr": 0.02, "momentum": 0.9, "weight_decay": 0.01,
        "groups": [
            {"match": "norm", "lr": 0.1, "weight_decay": 0.0},
            {"match": ["3.bias"], "momentum": 0.5},
            {"match": 3, "weight_decay": 0.1},
        ],
    }
    optimizer = torch.optim.SGD(groups, lr=0.02, momentum=0.9, weight_decay=0.01)
    losses = []
    for rows, labels in zip(x, target):
        optimizer.zero_grad()
        logits = model(torch.from_numpy(rows.astype(dtype)))
        loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(labels))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    golden.add({
        "name": key,
        "create": {
            "layers": layers, "input": 10, "dtype": dtype, "convention": "pytorch",
            "loss": "cross_entropy", "optimizer": wire,
        },
        "batches": batches,
        "loss": golden.keep(f"{key}/loss", losses),
        "state": make_pytorch.state_of(golden, f"{key}/final", model),
    })


def new_file(name: str, versions: Dict[str, str]) -> GoldenFile:
    """A file with what all cases share."""
    golden = GoldenFile(name, versions)
    weight, bias, dy = start_and_gradients()
    golden.keep("weight", weight)
    golden.keep("bias", bias)
    golden.keep("dy", np.round(dy * GRID).astype(np.int16))
    return golden


def make() -> None:
    """Writes both files."""
    torch.set_num_threads(1)
    golden = new_file("optimizers_pytorch", make_pytorch.VERSIONS)
    x, target = training_data(5, BATCHES, 32, 10, 4)
    batches = compact_batches(golden, "batches", x, target)
    for dtype in DTYPES:
        for name, kind, options, clip in PYTORCH:
            pytorch_case(golden, name, kind, options, dtype, clip=clip)
        for name, kind, options, group in PYTORCH_GROUPS:
            pytorch_case(golden, name, kind, options, dtype, group=group)
        pytorch_case(golden, "accumulate", "adam", {"lr": 0.02}, dtype, accumulate=4)
        pytorch_case(golden, "accumulate_and_clip", "nadam", {"lr": 0.02}, dtype, accumulate=5,
                     clip=("clip_grad_norm", 0.5))
        training_case(golden, batches, x, target, dtype)
    golden.write()
    golden = new_file("optimizers_keras", make_keras.VERSIONS)
    for dtype in DTYPES:
        for name, kind, options in KERAS:
            keras_case(golden, name, kind, options, dtype)
        keras_case(golden, "no_decay", "AdamW", {"learning_rate": 0.02, "weight_decay": 0.3}, dtype,
                   no_decay=True)
    golden.write()


if __name__ == "__main__":
    make()
