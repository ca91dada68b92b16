# SPDX-License-Identifier: Apache-2.0
"""Batch norm by its definition, in NumPy's widest float: what the daemon is compared with.

Every result comes with the bound that the daemon's may be off by. With u the rounding unit of the
session's type and n the values a channel:
- The daemon's moments are sums in double. For float32 sessions they are exact for our purpose; for
  float64 ones a sum of n terms is off by at most n u times the sum of their sizes, whatever the
  order. `sums` is that factor: n for float64, 1 for float32.
- y = (x - mean) gamma s + beta is a handful of roundings: c u (|gamma xhat| + |beta|), with c = 8.
- dx = (dy - mean(dy) - xhat mean(dy xhat)) gamma s likewise, of the sizes of its three terms.
- A stored number is rounded once more.
"""

from __future__ import annotations

from typing import Any, Dict, NamedTuple, Optional, Tuple

import numpy as np

WIDE = np.longdouble
ROUNDINGS = 8


class Bounded(NamedTuple):
    """Values and how far the daemon's may be from them."""

    value: np.ndarray
    bound: np.ndarray


class Context(NamedTuple):
    """What backward needs of a forward step."""

    xhat: np.ndarray
    scale: np.ndarray
    weight: np.ndarray
    mask: np.ndarray
    shape: Tuple[int, ...]
    inverse: np.ndarray
    mean: np.ndarray
    total: np.ndarray  # what the sums were divided by


class NormModel:
    """The state and rules of a session of one batch norm; its fields are the daemon's names."""

    def __init__(self, options: Dict[str, Any], features: int, axis: int, dtype: str) -> None:
        self.options = options
        self.features = features
        self.axis = axis
        self.unit = float(np.finfo(dtype).eps) / 2
        self.double = dtype == "float64"
        self.state: Dict[str, np.ndarray] = {}
        self.gradients: Optional[Dict[str, Bounded]] = None

    def adopt(self, tensors: Dict[str, np.ndarray]) -> None:
        """Goes on from the daemon's state, so that each operation is judged by itself."""
        self.state = {name: values.astype(WIDE) for name, values in tensors.items()}

    # ---- Shapes ----

    def _rows(self, x: np.ndarray) -> np.ndarray:
        """(..., C) as (values, C)."""
        return np.moveaxis(np.asarray(x, WIDE), self.axis, -1).reshape(-1, self.features)

    def _shaped(self, rows: np.ndarray, shape: Tuple[int, ...]) -> np.ndarray:
        moved = list(shape)
        moved.append(moved.pop(self.axis))
        return np.moveaxis(rows.reshape(moved), -1, self.axis)

    def _vector(self, name: str, otherwise: float) -> np.ndarray:
        return self.state.get(f"0.{name}", np.full(self.features, otherwise, WIDE))

    def _bounded(self, values: np.ndarray, sizes: np.ndarray, count: int = 0) -> Bounded:
        factor = (ROUNDINGS + (2 * count if self.double else 0)) * self.unit
        return Bounded(values, factor * sizes)

    # ---- Operations ----

    def normalize(
        self, x: np.ndarray, mean: np.ndarray, variance: np.ndarray, count: int = 0
    ) -> Bounded:
        """y for given statistics of `count` values."""
        inverse = 1 / np.sqrt(variance + self.options["eps"])
        weight, bias = self._vector("weight", 1), self._vector("bias", 0)
        rows = self._rows(x)
        xhat = (rows - mean) * inverse
        # A mean that came from float64 sums is off by a part of the size of the data.
        sizes = np.abs(weight * xhat) + np.abs(bias)
        if self.double and count:
            sizes = sizes + np.abs(weight) * inverse * np.abs(rows).max(axis=0)
        result = self._bounded(weight * xhat + bias, sizes, count)
        return Bounded(*(self._shaped(part, np.shape(x)) for part in result))

    def moments(self, x: np.ndarray, mask: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
        """Mean and biased variance over the positions that count."""
        rows = self._rows(x)[mask]
        total = self.total(mask)
        mean = rows.sum(axis=0) / total
        return mean, ((rows - mean) ** 2).sum(axis=0) / total

    def total(self, mask: np.ndarray) -> np.ndarray:
        """The count that sums are divided by; a mask adds mask_epsilon, in the session's type."""
        dtype = np.float64 if self.double else np.float32
        added = 0 if mask.all() else self.options["mask_epsilon"]
        return WIDE(dtype(int(mask.sum()) + added))

    def infer(self, x: np.ndarray) -> Bounded:
        """y in eval mode."""
        if "0.running_mean" in self.state:
            return self.normalize(x, self.state["0.running_mean"], self.state["0.running_var"])
        everything = np.ones(self._rows(x).shape[0], bool)
        return self.normalize(x, *self.moments(x, everything), everything.size)

    def forward(
        self, x: np.ndarray, mask: np.ndarray, update: bool
    ) -> Tuple[Bounded, Context, Dict[str, Bounded]]:
        """y, what backward needs, and the new running statistics."""
        mean, variance = self.moments(x, mask)
        count = int(mask.sum())
        y = self.normalize(x, mean, variance, count)
        inverse = 1 / np.sqrt(variance + self.options["eps"])
        weight = self._vector("weight", 1)
        context = Context(
            (self._rows(x) - mean) * inverse, weight * inverse, weight, mask, np.shape(x), inverse,
            mean, self.total(mask),
        )
        new: Dict[str, Bounded] = {}
        if update and "0.running_mean" in self.state:
            batches = self.state["0.num_batches_tracked"] + 1
            new["0.num_batches_tracked"] = Bounded(batches, np.zeros_like(batches))
            momentum = self.options["momentum"]
            take = 1 / batches if momentum is None else WIDE(momentum)
            if self.options["momentum_keeps"] and momentum is not None:
                take = 1 - WIDE(momentum)
            unbiased = self.options["unbiased"] and count > 1
            factor = self.total(mask) / (count - 1) if unbiased else 1
            # The daemon's 1 - momentum is a double.
            sizes = np.abs(self._rows(x)).max(axis=0)
            for name, batch, size in (
                ("running_mean", mean, sizes), ("running_var", variance * factor, sizes**2),
            ):
                old = self.state[f"0.{name}"]
                value = (1 - take) * old + take * batch
                error = np.abs((1 - take) * old) + np.abs(take * batch)
                error = error + take * size * self.double
                new[f"0.{name}"] = self._bounded(value, error, count)
        return y, context, new

    def backward(self, context: Context, dy: np.ndarray) -> Bounded:
        """dx; the gradients of gamma and beta are added to what waits for the step."""
        rows = self._rows(dy)
        count = int(context.mask.sum())
        sum_dy = rows.sum(axis=0)
        sum_dot = (rows * context.xhat).sum(axis=0)
        # Where the count is not that of the values, they do not add up to 0 about the mean.
        rest = (context.total - count) * context.mean * context.inverse * sum_dot / context.total
        mean_dy = (sum_dy - rest) / context.total
        dx = (rows - mean_dy - context.xhat * sum_dot / context.total) * context.scale
        # What took no part in the statistics has no way back through them.
        dx = np.where(context.mask[:, None], dx, rows * context.scale)
        size_dy = np.abs(rows).sum(axis=0)
        size_dot = (np.abs(rows) * (np.abs(context.xhat) + self.double * count * self.unit)).sum(0)
        size_dy_all = size_dy + np.abs(rest)
        sizes = np.abs(rows) + size_dy_all / count + np.abs(context.xhat) * size_dot / count
        result = self._bounded(dx, sizes * np.abs(context.scale), count)
        largest = 1 + np.abs(context.xhat).max()
        self._add({
            "0.weight": self._bounded(sum_dot, size_dot * largest ** self.double, count),
            "0.bias": self._bounded(sum_dy, size_dy, count),
        })
        return Bounded(*(self._shaped(part, context.shape) for part in result))

    def _add(self, gradients: Dict[str, Bounded]) -> None:
        if self.gradients is None:
            self.gradients = gradients
            return
        for name, (value, bound) in gradients.items():
            old = self.gradients[name]
            total = old.value + value
            bound = old.bound + bound + self.unit * np.abs(total)
            self.gradients[name] = Bounded(total, bound)

    def step(self) -> Dict[str, Bounded]:
        """The parameters after SGD with what was added up."""
        assert self.gradients is not None
        new = {}
        for name, rate in (("0.weight", "weight_lr"), ("0.bias", "bias_lr")):
            if name in self.state:
                gradient, bound = self.gradients[name]
                value = self.state[name] - self.options[rate] * gradient
                sizes = np.abs(self.state[name]) + np.abs(self.options[rate] * gradient)
                new[name] = Bounded(value, self.options[rate] * bound + 4 * self.unit * sizes)
        self.gradients = None
        return new
