# SPDX-License-Identifier: Apache-2.0
"""Both frameworks' learning-rate schedules and weight averages; writes their golden files.

    KERAS_BACKEND=torch python make_schedules.py
"""

from __future__ import annotations

import os
from typing import Any, Callable, Dict, List

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras  # noqa: E402
import make_keras  # noqa: E402
import make_pytorch  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from make_common import GoldenFile, compact_batches, training_data  # noqa: E402
from torch import nn  # noqa: E402
from torch.optim import lr_scheduler, swa_utils  # noqa: E402

VERSIONS = {**make_pytorch.VERSIONS, **make_keras.VERSIONS}
TICKS = 130
# The base rates of the two groups of parameters.
BASES = (0.5, 0.125)

# PyTorch's class, its options; the wire's type follows from the class.
PYTORCH: "List[tuple[str, str, Dict[str, Any]]]" = [
    ("step", "StepLR", {"step_size": 7, "gamma": 0.8}),
    ("step_default", "StepLR", {"step_size": 40}),
    ("multi_step", "MultiStepLR", {"milestones": [3, 20, 20, 77], "gamma": 0.3}),
    ("exponential", "ExponentialLR", {"gamma": 0.95}),
    ("cosine_annealing", "CosineAnnealingLR", {"T_max": 130}),
    ("cosine_annealing_up_again", "CosineAnnealingLR", {"T_max": 30, "eta_min": 0.01}),
    ("cosine_annealing_warm_restarts", "CosineAnnealingWarmRestarts", {"T_0": 25}),
    ("cosine_annealing_longer_restarts", "CosineAnnealingWarmRestarts",
     {"T_0": 10, "T_mult": 3, "eta_min": 0.001}),
    ("linear", "LinearLR", {}),
    ("linear_down", "LinearLR", {"start_factor": 1.0, "end_factor": 0.05, "total_iters": 100}),
    ("polynomial", "PolynomialLR", {"total_iters": 100}),
    ("polynomial_power", "PolynomialLR", {"total_iters": 90, "power": 2.5}),
    ("constant", "ConstantLR", {}),
    ("constant_half", "ConstantLR", {"factor": 0.5, "total_iters": 60}),
    ("one_cycle", "OneCycleLR", {"max_lr": 0.5, "total_steps": TICKS}),
    ("one_cycle_linear", "OneCycleLR",
     {"max_lr": 0.5, "total_steps": TICKS, "pct_start": 0.45, "anneal_strategy": "linear",
      "div_factor": 10.0, "final_div_factor": 100.0, "base_momentum": 0.7, "max_momentum": 0.9}),
    ("one_cycle_three_phases", "OneCycleLR",
     {"max_lr": 0.5, "epochs": 13, "steps_per_epoch": 10, "three_phase": True}),
    ("one_cycle_fixed_momentum", "OneCycleLR",
     {"max_lr": 0.5, "total_steps": TICKS, "cycle_momentum": False}),
]

KERAS: "List[tuple[str, str, Dict[str, Any]]]" = [
    ("exponential_decay", "ExponentialDecay", {"decay_steps": 30, "decay_rate": 0.6}),
    ("exponential_decay_stairs", "ExponentialDecay",
     {"decay_steps": 30, "decay_rate": 0.6, "staircase": True}),
    ("piecewise_constant_decay", "PiecewiseConstantDecay",
     {"boundaries": [10, 50, 100], "values": [0.5, 0.2, 0.3, 0.05]}),
    ("piecewise_constant_decay_one", "PiecewiseConstantDecay",
     {"boundaries": [64], "values": [0.5, 0.25]}),
    ("polynomial_decay", "PolynomialDecay", {"decay_steps": 100}),
    ("polynomial_decay_cycle", "PolynomialDecay",
     {"decay_steps": 40, "end_learning_rate": 0.02, "power": 1.5, "cycle": True}),
    ("inverse_time_decay", "InverseTimeDecay", {"decay_steps": 20, "decay_rate": 0.5}),
    ("inverse_time_decay_stairs", "InverseTimeDecay",
     {"decay_steps": 20, "decay_rate": 0.5, "staircase": True}),
    ("cosine_decay", "CosineDecay", {"decay_steps": 110}),
    ("cosine_decay_alpha", "CosineDecay", {"decay_steps": 110, "alpha": 0.1}),
    ("cosine_decay_warmup", "CosineDecay",
     {"decay_steps": 80, "warmup_target": 0.75, "warmup_steps": 20}),
    ("cosine_decay_restarts", "CosineDecayRestarts", {"first_decay_steps": 10}),
    ("cosine_decay_restarts_lower", "CosineDecayRestarts",
     {"first_decay_steps": 17, "t_mul": 1.5, "m_mul": 0.8, "alpha": 0.05}),
    ("cosine_decay_restarts_even", "CosineDecayRestarts",
     {"first_decay_steps": 25, "t_mul": 1.0, "m_mul": 0.5}),
]

PLATEAU: "List[tuple[str, str, Dict[str, Any]]]" = [
    ("pytorch_plateau", "pytorch", {"patience": 3}),
    ("pytorch_plateau_max", "pytorch",
     {"mode": "max", "patience": 2, "factor": 0.5, "cooldown": 4, "min_lr": 0.02}),
    ("pytorch_plateau_abs", "pytorch",
     {"threshold_mode": "abs", "threshold": 0.05, "patience": 1, "factor": 0.7, "eps": 0.01}),
    ("pytorch_plateau_max_abs", "pytorch",
     {"mode": "max", "threshold_mode": "abs", "threshold": 0.01, "patience": 0, "factor": 0.9}),
    ("keras_plateau", "keras", {"patience": 3, "mode": "min"}),
    ("keras_plateau_max", "keras",
     {"mode": "max", "patience": 2, "factor": 0.5, "cooldown": 4, "min_lr": 0.02}),
    ("keras_plateau_delta", "keras",
     {"mode": "min", "patience": 1, "factor": 0.7, "min_delta": 0.05, "cooldown": 2}),
]


def type_of(class_name: str) -> str:
    """The wire's name of a class: StepLR is step."""
    bare = class_name.removesuffix("LR")
    return "".join("_" * (i > 0) + c.lower() if c.isupper() else c for i, c in enumerate(bare))


def two_groups(momentum: float = 0.9) -> torch.optim.Optimizer:
    """SGD with a parameter for each of BASES."""
    groups = [{"params": [nn.Parameter(torch.zeros(1))], "lr": base} for base in BASES]
    return torch.optim.SGD(groups, lr=BASES[0], momentum=momentum)


def record(optimizer: torch.optim.Optimizer, tick: Callable[[int], None], ticks: int) -> tuple:
    """The rates of both groups and the momentum before each tick."""
    rates, momenta = [], []
    for number in range(ticks):
        rates.append([float(group["lr"]) for group in optimizer.param_groups])
        momenta.append(float(optimizer.param_groups[0]["momentum"]))
        optimizer.step()
        tick(number)
    return np.array(rates), np.array(momenta)


def pytorch_rates(golden: GoldenFile, name: str, class_name: str, options: Dict) -> None:
    """A PyTorch schedule of two groups, as its chained steps give it."""
    optimizer = two_groups()
    kept = dict(options)
    if class_name == "OneCycleLR":
        # A scalar max_lr would be the same for both groups.
        kept["max_lr"] = list(BASES)
    scheduler = getattr(lr_scheduler, class_name)(optimizer, **kept)
    rates, momenta = record(optimizer, lambda number: scheduler.step(), TICKS)
    add_rates(golden, name, "pytorch", {"type": type_of(class_name), **options}, rates, momenta)


def warmed_up(golden: GoldenFile, name: str, class_name: str, warmup: Dict, options: Dict) -> None:
    """LinearLR, then another, by SequentialLR."""
    optimizer = two_groups()
    first = lr_scheduler.LinearLR(optimizer, **warmup)
    then = getattr(lr_scheduler, class_name)(optimizer, **options)
    scheduler = lr_scheduler.SequentialLR(optimizer, [first, then], [warmup["total_iters"]])
    rates, momenta = record(optimizer, lambda number: scheduler.step(), TICKS)
    wire = {"type": type_of(class_name), "warmup": warmup, **options}
    add_rates(golden, name, "pytorch", wire, rates, momenta)


def keras_rates(golden: GoldenFile, name: str, class_name: str, options: Dict) -> None:
    """A Keras schedule, called for each base rate as Keras has one only."""
    keras.config.set_floatx("float64")
    rates = []
    for base in BASES:
        kept = dict(options)
        if class_name == "PiecewiseConstantDecay":
            kept["values"] = [value * base / BASES[0] for value in options["values"]]
        else:
            kept["initial_learning_rate"] = base
        if "warmup_target" in kept:
            kept["warmup_target"] *= base / BASES[0]
        schedule = getattr(keras.optimizers.schedules, class_name)(**kept)
        values = [schedule(keras.ops.convert_to_tensor(tick, "int64")) for tick in range(TICKS)]
        assert all(str(value.dtype).endswith("float64") for value in values)
        rates.append([float(value) for value in values])
    momenta = np.full(TICKS, 0.9)
    wire = {"type": type_of(class_name), **options}
    add_rates(golden, name, "keras", wire, np.array(rates).T, momenta)


def add_rates(
    golden: GoldenFile, name: str, convention: str, schedule: Dict, rates: Any, momenta: Any
) -> None:
    """Stores a case of rates."""
    golden.add({
        "name": name, "convention": convention, "schedule": schedule, "bases": BASES,
        "rates": golden.keep(f"{name}/rates", rates),
        "momenta": golden.keep(f"{name}/momenta", momenta),
    })


def metrics_for(mode: str) -> np.ndarray:
    """Values that fall (rise) ever slower, with noise."""
    random = np.random.default_rng(17)
    values = 2.0 * np.exp(-np.arange(TICKS) / 25.0) + 0.05 * random.normal(size=TICKS)
    return -values if mode == "max" else values


def plateau_rates(golden: GoldenFile, name: str, form: str, options: Dict) -> None:
    """Reduction on a plateau of a reported metric."""
    metrics = metrics_for(options.get("mode", "min"))
    optimizer = two_groups()
    if form == "pytorch":
        scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, **options)
        rates, momenta = record(optimizer, lambda at: scheduler.step(metrics[at]), TICKS)
    else:
        keras.config.set_floatx("float64")
        rates = np.stack([keras_plateau(metrics, base, options) for base in BASES], axis=1)
        momenta = np.full(TICKS, 0.9)
    golden.add({
        "name": name, "convention": form, "bases": BASES,
        "schedule": {"type": "reduce_on_plateau", "monitor": "metric", **options},
        "metrics": golden.keep(f"{name}/metrics", metrics),
        "rates": golden.keep(f"{name}/rates", rates),
        "momenta": golden.keep(f"{name}/momenta", momenta),
    })


def keras_plateau(metrics: np.ndarray, base: float, options: Dict) -> List[float]:
    """The rate before each epoch's end of Keras' callback."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.SGD(base, momentum=0.9), loss="mse")
    callback = keras.callbacks.ReduceLROnPlateau(monitor="m", **options)
    callback.set_model(model)
    callback.on_train_begin()
    rates = []
    for epoch, metric in enumerate(metrics):
        rates.append(float(keras.ops.convert_to_numpy(model.optimizer.learning_rate)))
        callback.on_epoch_end(epoch, {"m": metric})
    return rates


def make_rates() -> None:
    """Writes golden/schedules_rates.npz."""
    golden = GoldenFile("schedules_rates", VERSIONS)
    for row in PYTORCH:
        pytorch_rates(golden, *row)
    warmed_up(golden, "warmup_cosine", "CosineAnnealingLR",
              {"start_factor": 0.01, "total_iters": 20}, {"T_max": 110})
    warmed_up(golden, "warmup_step", "StepLR",
              {"start_factor": 0.25, "total_iters": 8}, {"step_size": 30, "gamma": 0.5})
    for row in KERAS:
        keras_rates(golden, *row)
    for row in PLATEAU:
        plateau_rates(golden, *row)
    golden.write()


STEPS = 100
Make = Callable[[Any], Any]


def sgd(**options: Any) -> Make:
    """SGD over all parameters."""
    return lambda model: torch.optim.SGD(model.parameters(), **options)


def adam(**options: Any) -> Make:
    """Adam over all parameters."""
    return lambda model: torch.optim.Adam(model.parameters(), **options)


def sgd_with_norm_rates(model: nn.Module) -> torch.optim.Optimizer:
    """SGD whose gamma and beta have rates of their own."""
    rest = [p for name, p in model.named_parameters() if name not in ("1.weight", "1.bias")]
    return torch.optim.SGD([
        {"params": rest},
        {"params": [model[1].weight], "lr": 0.1},
        {"params": [model[1].bias], "lr": 0.0125},
    ], lr=0.05)


# Name, the wire's optimizer, PyTorch's, the schedule's class and options, steps a tick.
PYTORCH_TRAININGS: "List[tuple[str, Dict, Make, str, Dict, int]]" = [
    ("sgd_one_cycle", {"type": "sgd", "lr": 0.05}, sgd(lr=0.05),
     "OneCycleLR", {"max_lr": 0.05, "total_steps": STEPS}, 1),
    ("adam_one_cycle", {"type": "adam", "lr": 1e-2}, adam(lr=1e-2),
     "OneCycleLR", {"max_lr": 1e-2, "total_steps": STEPS}, 1),
    ("adam_cosine", {"type": "adam", "lr": 1e-2}, adam(lr=1e-2),
     "CosineAnnealingLR", {"T_max": 20, "eta_min": 1e-4}, 5),
    ("sgd_step_norm_rates",
     {"type": "sgd", "lr": 0.05, "weight_lr": 0.1, "bias_lr": 0.0125}, sgd_with_norm_rates,
     "StepLR", {"step_size": 3, "gamma": 0.7}, 10),
    ("adam_plateau", {"type": "adam", "lr": 2e-2}, adam(lr=2e-2),
     "ReduceLROnPlateau", {"patience": 1, "factor": 0.5, "threshold": 0.05}, 5),
]


def train_pytorch(
    model: nn.Module, optimizer: Any, x: np.ndarray, target: np.ndarray, dtype: str,
    after: Callable[[int, float], None],
) -> tuple:
    """Trains; gives the losses and the rate of every step. `after` follows each with its loss."""
    losses, rates = [], []
    for number, (rows, labels) in enumerate(zip(x, target)):
        optimizer.zero_grad()
        logits = model(torch.from_numpy(rows.astype(dtype)))
        loss = nn.functional.cross_entropy(logits, torch.from_numpy(labels))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        rates.append(float(optimizer.param_groups[0]["lr"]))
        after(number, losses[-1])
    return losses, rates


def pytorch_training(golden: GoldenFile, data: tuple, row: tuple, dtype: str) -> None:
    """One hundred steps with a schedule."""
    name, wire, make, class_name, options, every = row
    key = f"{name}_{dtype}"
    x, target, batches = data
    model, layers = make_pytorch.make_model(golden, key, [10, 16, 4], dtype, bias=False)
    optimizer = make(model)
    scheduler = getattr(lr_scheduler, class_name)(optimizer, **options)
    waiting: List[float] = []

    def tick(number: int, loss: float) -> None:
        waiting.append(loss)
        if (number + 1) % every == 0:
            mean = (sum(waiting) / every,) if class_name == "ReduceLROnPlateau" else ()
            scheduler.step(*mean)
            waiting.clear()

    losses, rates = train_pytorch(model, optimizer, x, target, dtype, tick)
    schedule = {"type": class_name, "every": every, **options}
    golden.add({
        "name": key,
        "create": create_options(layers, dtype, "pytorch", {**wire, "schedule": schedule}),
        "batches": batches,
        "loss": golden.keep(f"{key}/loss", losses),
        "lr": golden.keep(f"{key}/lr", rates),
        "state": make_pytorch.state_of(golden, f"{key}/final", model),
    })


def create_options(layers: List, dtype: str, convention: str, optimizer: Dict) -> Dict[str, Any]:
    """What session.create takes."""
    return {
        "layers": layers, "input": 10, "dtype": dtype, "convention": convention,
        "loss": "cross_entropy", "optimizer": optimizer,
    }


# Name, the wire's averaging, AveragedModel's function, the steps that are averaged.
AVERAGES: "List[tuple[str, Dict, Any, Callable[[int], bool]]]" = [
    ("ema", {"type": "ema", "decay": 0.9}, swa_utils.get_ema_multi_avg_fn(0.9), lambda n: True),
    ("ema_near", {"type": "ema", "decay": 0.25}, swa_utils.get_ema_multi_avg_fn(0.25),
     lambda n: True),
    ("ema_default", {"type": "ema"}, swa_utils.get_ema_multi_avg_fn(), lambda n: True),
    ("swa", {"type": "swa", "start": 20, "every": 5}, None,
     lambda n: n >= 20 and (n - 20) % 5 == 0),
]


def pytorch_average(golden: GoldenFile, data: tuple, row: tuple, dtype: str) -> None:
    """One hundred steps of Adam with swa_utils.AveragedModel; then update_bn on ten batches."""
    name, averaging, function, is_due = row
    key = f"{name}_{dtype}"
    x, target, batches = data
    model, layers = make_pytorch.make_model(golden, key, [10, 16, 4], dtype, bias=False)
    averaged = swa_utils.AveragedModel(model, multi_avg_fn=function)

    def average(number: int, loss: float) -> None:
        if is_due(number + 1):
            averaged.update_parameters(model)

    losses, rates = train_pytorch(model, adam(lr=1e-2)(model), x, target, dtype, average)
    wire = {"type": "adam", "lr": 1e-2, "averaging": averaging}
    case = {
        "name": key,
        "create": create_options(layers, dtype, "pytorch", wire),
        "batches": batches,
        "loss": golden.keep(f"{key}/loss", losses),
        "lr": golden.keep(f"{key}/lr", rates),
        "averaged": int(averaged.n_averaged),
        "state": make_pytorch.state_of(golden, f"{key}/final", model),
        "average": {
            name: golden.keep(f"{key}/average/{name}", value.detach().numpy().copy())
            for name, value in averaged.module.named_parameters()
        },
    }
    with torch.no_grad():
        swa_utils.update_bn([torch.from_numpy(rows.astype(dtype)) for rows in x[:10]], averaged)
        averaged.eval()
        logits = averaged(torch.from_numpy(x[0].astype(dtype)))
    case["recalibrated_y"] = golden.keep(f"{key}/recalibrated_y", logits.numpy())
    golden.add(case)


SCHEDULES = keras.optimizers.schedules
KERAS_TRAININGS: "List[tuple[str, Dict, Callable[[], Any]]]" = [
    ("adam_cosine_warmup",
     {"type": "adam", "learning_rate": {
         "type": "CosineDecay", "initial_learning_rate": 1e-3, "decay_steps": 60,
         "warmup_target": 1e-2, "warmup_steps": 20}},
     lambda: keras.optimizers.Adam(
         SCHEDULES.CosineDecay(1e-3, 60, warmup_target=1e-2, warmup_steps=20))),
    ("sgd_exponential",
     {"type": "sgd", "learning_rate": 0.05, "momentum": 0.9, "schedule": {
         "type": "exponential_decay", "decay_steps": 30, "decay_rate": 0.5}},
     lambda: keras.optimizers.SGD(SCHEDULES.ExponentialDecay(0.05, 30, 0.5), momentum=0.9)),
    ("sgd_piecewise",
     {"type": "sgd", "schedule": {
         "type": "piecewise_constant_decay", "boundaries": [20, 60], "values": [0.05, 0.02, 0.01]}},
     lambda: keras.optimizers.SGD(SCHEDULES.PiecewiseConstantDecay([20, 60], [0.05, 0.02, 0.01]))),
    ("adam_ema", {"type": "adam", "learning_rate": 1e-2, "use_ema": True, "ema_momentum": 0.9},
     lambda: keras.optimizers.Adam(1e-2, use_ema=True, ema_momentum=0.9)),
    ("sgd_ema_overwrite",
     {"type": "sgd", "learning_rate": 0.05, "use_ema": True, "ema_overwrite_frequency": 10},
     lambda: keras.optimizers.SGD(0.05, use_ema=True, ema_overwrite_frequency=10)),
]


def keras_training(golden: GoldenFile, data: tuple, row: tuple, dtype: str) -> None:
    """One hundred steps in Keras, with a schedule or an average."""
    name, wire, make = row
    key = f"{name}_{dtype}"
    x, target, batches = data
    keras.config.set_floatx(dtype)
    model, layers = make_keras.make_model(golden, key, dtype)
    optimizer = make()
    optimizer.build(model.trainable_variables)
    function = keras.losses.SparseCategoricalCrossentropy(from_logits=True, dtype=dtype)
    losses, rates = [], []
    for rows, labels in zip(x, target):
        loss = function(
            torch.from_numpy(labels), model(torch.from_numpy(rows.astype(dtype)), training=True))
        loss.backward()
        rates.append(float(keras.ops.convert_to_numpy(optimizer.learning_rate)))
        with torch.no_grad():
            optimizer.apply([variable.value.grad for variable in model.trainable_variables])
        for variable in model.trainable_variables:
            variable.value.grad = None
        losses.append(loss.item())
    case = {
        "name": key,
        "create": create_options(layers, dtype, "keras", wire),
        "batches": batches,
        "loss": golden.keep(f"{key}/loss", losses),
        "lr": golden.keep(f"{key}/lr", rates),
        "state": keras_state(golden, f"{key}/final", model, lambda variable: variable),
    }
    if optimizer.use_ema:
        averages = dict(zip(
            (id(v) for v in optimizer._trainable_variables),
            optimizer._model_variables_moving_average))
        case["averaged"] = STEPS
        case["average"] = keras_state(
            golden, f"{key}/average", model, lambda variable: averages[id(variable)])
    golden.add(case)


def keras_state(golden: GoldenFile, key: str, model: Any, of: Callable[[Any], Any]) -> Dict:
    """What `of` gives for each trainable variable, under PyTorch's names and shapes."""
    first, norm, last = (model.layers[place] for place in (0, 1, 3))
    values = {
        "0.weight": make_keras.numpy_of(of(first.kernel)).T,
        "1.weight": make_keras.numpy_of(of(norm.gamma)),
        "1.bias": make_keras.numpy_of(of(norm.beta)),
        "3.weight": make_keras.numpy_of(of(last.kernel)).T,
        "3.bias": make_keras.numpy_of(of(last.bias)),
    }
    return {name: golden.keep(f"{key}/{name}", value) for name, value in values.items()}


def make_trainings() -> None:
    """Writes golden/schedules_pytorch.npz, golden/averaging_pytorch.npz, and Keras' of both."""
    x, target = training_data(9, STEPS, 32, 10, 4)
    files: "List[tuple[str, Any, List, Callable]]" = [
        ("schedules_pytorch", make_pytorch, PYTORCH_TRAININGS, pytorch_training),
        ("averaging_pytorch", make_pytorch, AVERAGES, pytorch_average),
        ("schedules_keras", make_keras, KERAS_TRAININGS[:3], keras_training),
        ("averaging_keras", make_keras, KERAS_TRAININGS[3:], keras_training),
    ]
    for name, module, rows, add in files:
        golden = GoldenFile(name, module.VERSIONS)
        data = (x, target, compact_batches(golden, "batches", x, target))
        for row in rows:
            for dtype in make_pytorch.DTYPES:
                add(golden, data, row, dtype)
        golden.write()


if __name__ == "__main__":
    torch.set_num_threads(1)
    make_rates()
    make_trainings()
