# SPDX-License-Identifier: Apache-2.0
"""Golden values of losses: value and gradient, for every option, by PyTorch and by Keras.

The model is one linear layer without bias, whose input is the identity: its output is the transpose
of its weights, and the gradient of the weights that of the output. Outputs of three axes come from a
batch norm that leaves them as they are, whose gradients are sums of the output's.
"""

from __future__ import annotations

import itertools
import os
import sys
from typing import Any, Callable, Dict, List, Optional

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from keras.src.backend.common import dtypes as keras_dtypes  # noqa: E402
from keras.src.trainers.data_adapters.data_adapter_utils import (  # noqa: E402
    class_weight_to_sample_weights,
)
from make_common import DTYPES, GoldenFile, on_grid  # noqa: E402
from torch.nn import functional as F  # noqa: E402

# See make_keras.py.
keras_dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"

VERSIONS = {"python": sys.version.split()[0], "numpy": np.__version__, "torch": torch.__version__}
ROWS, CLASSES = 6, 4
IGNORED = 2

RANDOM = np.random.default_rng(31)
LOGITS = on_grid(RANDOM.normal(0, 2, (ROWS, CLASSES)))
EXTREME = np.array([[1e4, -1e4, 0, 3], [-1e4, -1e4, -1e4, -1e4], [0, 0, 0, 0], [50, 49, -50, 0],
                    [1e4, 1e4, -1e4, 0], [-100, 100, 99, 0]], np.float32)
# Rows that do not add up to 1; a 0 and a row of one class are kept off the ends.
PROBABILITIES = np.abs(on_grid(RANDOM.normal(0.5, 0.25, (ROWS, CLASSES)))) + np.float32(0.0625)
PROBABILITIES[1, 2] = 0
PROBABILITIES[3] = [0, 1, 0, 0]
BINARY = np.clip(on_grid(RANDOM.uniform(0, 1, (ROWS, CLASSES))), 0.0625, 0.9375)
BINARY[0, :2] = [0, 1]
LABELS = np.array([3, 0, 2, 1, 2, 0])
MINUS = np.array([3, 0, -100, 1, -100, 0])
SHARES = on_grid(RANDOM.dirichlet(np.ones(CLASSES), ROWS))
TRUTHS = (RANDOM.random((ROWS, CLASSES)) < 0.5).astype(np.float32)
VALUES = on_grid(RANDOM.normal(0, 1.5, (ROWS, CLASSES)))
PLACES = on_grid(RANDOM.normal(0, 2, (3, CLASSES, 5)))
PLACE_LABELS = np.where(RANDOM.random((3, 5)) < 0.25, -100, RANDOM.integers(0, CLASSES, (3, 5)))
PLACE_SHARES = on_grid(RANDOM.dirichlet(np.ones(CLASSES), (3, 5))).transpose(0, 2, 1).copy()
OF_CLASSES = np.array([0.5, 2, 0.25, 3], np.float32)
OF_SAMPLES = np.array([1, 0.5, 2, 0, 4, 0.75], np.float32)


class Cases(GoldenFile):
    """A golden file whose inputs are stored once each."""

    def once(self, values: np.ndarray) -> Dict[str, str]:
        for key, kept in self.arrays.items():
            if kept.dtype == values.dtype and np.array_equal(kept, values):
                return {"$array": key}
        return self.keep(f"input{len(self.arrays)}", values)

    def add_case(
        self, name: str, dtype: str, convention: str, loss: Dict[str, Any], y: np.ndarray,
        target: np.ndarray, weight: Optional[np.ndarray],
        compute: Callable[[torch.Tensor], torch.Tensor],
    ) -> None:
        """Runs `compute` on the outputs and stores its value and gradient."""
        tensor = torch.from_numpy(y.astype(dtype)).requires_grad_()
        value = compute(tensor)
        value.backward()
        gradient = tensor.grad.numpy()
        assert np.isfinite(value.item()) and np.isfinite(gradient).all(), name
        self.add({
            "name": f"{name}-{dtype}",
            "create": {"dtype": dtype, "convention": convention, "loss": loss},
            "y": self.once(y),
            "target": self.once(target),
            "sample_weight": None if weight is None else self.once(weight),
            "loss": value.item(),
            "gradient": self.keep(f"{name}-{dtype}", gradient),
        })


def typed(values: Optional[np.ndarray], dtype: str) -> Optional[torch.Tensor]:
    """A tensor of the case's type; None stays."""
    return None if values is None else torch.from_numpy(values.astype(dtype))


def reduce_as_people_do(losses: torch.Tensor, weight: torch.Tensor, reduction: str) -> torch.Tensor:
    """PyTorch has no sample weights: (loss * weight).mean() is what its users write."""
    weighted = losses * weight.reshape([-1] + [1] * (losses.ndim - 1))
    return weighted.mean() if reduction == "mean" else weighted.sum()


def pytorch_loss(
    function: Callable, dtype: str, target: np.ndarray, reduction: str,
    samples: Optional[np.ndarray], **options: Any,
) -> Callable[[torch.Tensor], torch.Tensor]:
    """The loss as a function of the output."""
    wanted = torch.from_numpy(target if target.dtype.kind == "i" else target.astype(dtype))

    def compute(y: torch.Tensor) -> torch.Tensor:
        if samples is None:
            return function(y, wanted, reduction=reduction, **options)
        losses = function(y, wanted, reduction="none", **options)
        return reduce_as_people_do(losses, typed(samples, dtype), reduction)

    return compute


def pytorch_rows(golden: Cases, dtype: str) -> None:
    """cross_entropy: targets x class weights x smoothing x reduction x sample weights."""
    targets = {"labels": (LABELS, None), "ignored": (LABELS, IGNORED), "minus": (MINUS, None),
               "shares": (SHARES, None)}
    flags = (False, True)
    for kind, weighted, smooth, reduction, sampled in itertools.product(
        targets, flags, flags, ("mean", "sum"), flags
    ):
        target, ignored = targets[kind]
        loss: Dict[str, Any] = {"type": "cross_entropy", "reduction": reduction}
        options: Dict[str, Any] = {}
        if weighted:
            loss["weight"] = golden.once(OF_CLASSES)
            options["weight"] = typed(OF_CLASSES, dtype)
        if smooth:
            loss["label_smoothing"] = options["label_smoothing"] = 0.125
        if ignored is not None:
            loss["ignore_index"] = options["ignore_index"] = ignored
        weight = OF_SAMPLES if sampled else None
        name = "-".join(["cross_entropy", kind, reduction] + ["weight"] * weighted
                        + ["smooth"] * smooth + ["samples"] * sampled)
        compute = pytorch_loss(F.cross_entropy, dtype, target, reduction, weight, **options)
        golden.add_case(name, dtype, "pytorch", loss, LOGITS, target, weight, compute)
    for reduction in ("mean", "sum"):
        compute = pytorch_loss(F.cross_entropy, dtype, LABELS, reduction, None)
        golden.add_case(f"cross_entropy-extreme-{reduction}", dtype, "pytorch",
                        {"type": "cross_entropy", "reduction": reduction}, EXTREME, LABELS, None,
                        compute)


def pytorch_places(golden: Cases, dtype: str) -> None:
    """cross_entropy at every place of a signal, the classes along axis 1."""
    for weights, weight in itertools.product((None, OF_CLASSES), (None, OF_SAMPLES[:3])):
        for kind, target in (("labels", PLACE_LABELS), ("shares", PLACE_SHARES)):
            loss: Dict[str, Any] = {"type": "cross_entropy", "label_smoothing": 0.25}
            options: Dict[str, Any] = {"label_smoothing": 0.25}
            if weights is not None:
                loss["weight"] = golden.once(weights)
                options["weight"] = typed(weights, dtype)
            name = f"places-{kind}{'' if weights is None else '-weight'}"
            name += "" if weight is None else "-samples"
            compute = pytorch_loss(F.cross_entropy, dtype, target, "mean", weight, **options)
            golden.add_case(name, dtype, "pytorch", loss, PLACES, target, weight, compute)


def pytorch_elements(golden: Cases, dtype: str) -> None:
    """Losses element by element: options x reduction x sample weights."""
    columns, positive = typed(OF_CLASSES, dtype), typed(OF_CLASSES[::-1].copy(), dtype)
    bce = F.binary_cross_entropy_with_logits
    kinds: List[tuple] = [
        ("mse", {}, F.mse_loss, {}, LOGITS, VALUES),
        ("l1", {}, F.l1_loss, {}, LOGITS, VALUES),
        ("smooth_l1", {}, F.smooth_l1_loss, {}, LOGITS, VALUES),
        ("smooth_l1", {"beta": 0.5}, F.smooth_l1_loss, {"beta": 0.5}, LOGITS, VALUES),
        ("smooth_l1", {"beta": 0}, F.smooth_l1_loss, {"beta": 0.0}, LOGITS, VALUES),
        ("huber", {}, F.huber_loss, {}, LOGITS, VALUES),
        ("huber", {"delta": 2.5}, F.huber_loss, {"delta": 2.5}, LOGITS, VALUES),
        ("bce_with_logits", {}, bce, {}, LOGITS, TRUTHS),
        ("bce_with_logits", {}, bce, {}, EXTREME, TRUTHS),
        ("bce_with_logits", {}, bce, {}, LOGITS, SHARES),
        ("bce_with_logits", {"weight": golden.once(OF_CLASSES)}, bce, {"weight": columns},
         LOGITS, TRUTHS),
        ("bce_with_logits", {"pos_weight": golden.once(OF_CLASSES[::-1].copy())}, bce,
         {"pos_weight": positive}, LOGITS, TRUTHS),
        ("bce_with_logits", {"weight": golden.once(OF_CLASSES), "pos_weight": 2.5}, bce,
         {"weight": columns, "pos_weight": torch.tensor(2.5, dtype=columns.dtype)}, LOGITS,
         SHARES),
    ]
    for number, (kind, options, function, named, y, target) in enumerate(kinds):
        for reduction, weight in itertools.product(("mean", "sum"), (None, OF_SAMPLES)):
            name = f"{kind}-{number}-{reduction}{'' if weight is None else '-samples'}"
            compute = pytorch_loss(function, dtype, target, reduction, weight, **named)
            golden.add_case(name, dtype, "pytorch",
                            {"type": kind, "reduction": reduction, **options}, y, target, weight,
                            compute)


REDUCTIONS = ("sum_over_batch_size", "sum", "mean_with_sample_weight")


def keras_case(
    golden: Cases, name: str, dtype: str, wire: Dict[str, Any], loss: Any, y: np.ndarray,
    target: np.ndarray, weight: Optional[np.ndarray], class_weight: Optional[np.ndarray],
) -> None:
    """One loss of Keras; class weights become sample weights, as `fit` makes them."""
    whole = weight
    if class_weight is not None:
        of_rows = class_weight_to_sample_weights(target, dict(enumerate(class_weight.tolist())))
        whole = of_rows if weight is None else of_rows * weight
        wire = {**wire, "class_weight": golden.once(class_weight)}
    wanted = torch.from_numpy(target if target.dtype.kind == "i" else target.astype(dtype))

    def compute(tensor: torch.Tensor) -> torch.Tensor:
        return loss(wanted, tensor, sample_weight=typed(whole, dtype))

    golden.add_case(name, dtype, "keras", wire, y, target, weight, compute)


def keras_rows(golden: Cases, dtype: str) -> None:
    """Both categorical losses."""
    for reduction, logits, weight, weights in itertools.product(
        REDUCTIONS, (True, False), (None, OF_SAMPLES), (None, OF_CLASSES)
    ):
        end = f"{reduction}-{'logits' if logits else 'probabilities'}"
        end += "" if weight is None else "-samples"
        end += "" if weights is None else "-classes"
        y = LOGITS if logits else PROBABILITIES
        common: Dict[str, Any] = {"reduction": reduction, "from_logits": logits}
        for ignored in (None, IGNORED):
            kind = keras.losses.SparseCategoricalCrossentropy
            wire = {"type": "sparse_categorical_crossentropy", "ignore_class": ignored, **common}
            keras_case(golden, f"sparse-{end}{'' if ignored is None else '-ignored'}", dtype, wire,
                       kind(ignore_class=ignored, dtype=dtype, **common), y, LABELS, weight,
                       weights)
        for smoothing in (0, 0.125):
            kind = keras.losses.CategoricalCrossentropy
            wire = {"type": "categorical_crossentropy", "label_smoothing": smoothing, **common}
            keras_case(golden, f"categorical-{end}{'-smooth' if smoothing else ''}", dtype, wire,
                       kind(label_smoothing=smoothing, dtype=dtype, **common), y, SHARES, weight,
                       weights)


def keras_places(golden: Cases, dtype: str) -> None:
    """Both categorical losses at every place of a signal, the classes last."""
    y = np.ascontiguousarray(PLACES.transpose(0, 2, 1))
    shares = np.ascontiguousarray(PLACE_SHARES.transpose(0, 2, 1))
    for reduction in REDUCTIONS:
        common: Dict[str, Any] = {"reduction": reduction, "from_logits": True}
        kind = keras.losses.SparseCategoricalCrossentropy
        wire = {"type": "sparse_categorical_crossentropy", "ignore_class": IGNORED, **common}
        keras_case(golden, f"places-sparse-{reduction}", dtype, wire,
                   kind(ignore_class=IGNORED, dtype=dtype, **common), y, np.abs(PLACE_LABELS) % 4,
                   None, None)
        kind = keras.losses.CategoricalCrossentropy
        wire = {"type": "categorical_crossentropy", "label_smoothing": 0.125, **common}
        keras_case(golden, f"places-categorical-{reduction}", dtype, wire,
                   kind(label_smoothing=0.125, dtype=dtype, **common), y, shares, None, None)


def keras_elements(golden: Cases, dtype: str) -> None:
    """Binary cross-entropy, squared, absolute and Huber's error."""
    losses = keras.losses
    kinds: List[tuple] = [
        ("mean_squared_error", {}, losses.MeanSquaredError, LOGITS, VALUES),
        ("mean_absolute_error", {}, losses.MeanAbsoluteError, LOGITS, VALUES),
        ("huber", {}, losses.Huber, LOGITS, VALUES),
        ("huber", {"delta": 2.5}, losses.Huber, LOGITS, VALUES),
        ("binary_crossentropy", {}, losses.BinaryCrossentropy, BINARY, TRUTHS),
        ("binary_crossentropy", {"label_smoothing": 0.25}, losses.BinaryCrossentropy, BINARY,
         TRUTHS),
        ("binary_crossentropy", {"from_logits": True}, losses.BinaryCrossentropy, LOGITS, TRUTHS),
        ("binary_crossentropy", {"from_logits": True, "label_smoothing": 0.25},
         losses.BinaryCrossentropy, EXTREME, TRUTHS),
    ]
    for number, (kind, options, make, y, target) in enumerate(kinds):
        for reduction, weight in itertools.product(REDUCTIONS, (None, OF_SAMPLES)):
            name = f"{kind}-{number}-{reduction}{'' if weight is None else '-samples'}"
            wire = {"type": kind, "reduction": reduction, **options}
            keras_case(golden, name, dtype, wire, make(reduction=reduction, dtype=dtype, **options),
                       y, target, weight, None)


def make() -> None:
    """Writes the two files."""
    torch.set_num_threads(1)
    golden = Cases("losses_pytorch", VERSIONS)
    for dtype in DTYPES:
        pytorch_rows(golden, dtype)
        pytorch_places(golden, dtype)
        pytorch_elements(golden, dtype)
    golden.write()
    golden = Cases("losses_keras", {**VERSIONS, "keras": keras.__version__})
    for dtype in DTYPES:
        keras.config.set_floatx(dtype)
        keras_rows(golden, dtype)
        keras_places(golden, dtype)
        keras_elements(golden, dtype)
    golden.write()


if __name__ == "__main__":
    make()
