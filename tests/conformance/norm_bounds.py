# SPDX-License-Identifier: Apache-2.0
"""How far batch norm's results may be from a framework's, by error analysis.

With u the rounding unit, n values a channel, s = 1/sqrt(var + eps), a = |gamma| s, and m the mean:

- Frameworks fold y = (x - m) a + beta into x a + (beta - m a), which rounds numbers of the sizes
  |x| a, |m| a and |beta|; normd's own roundings are smaller.
- Keras takes the variance as E[x^2] - E[x]^2, PyTorch about the mean: the relative error of s is
  u E[x^2] / (var + eps) / 2 times the roundings of a sum, a few for each value at most.
- dx = a (dy - mean(dy) - xhat mean(dy xhat)) rounds each of the three; xhat inherits what s and m
  are off by. The sums have n terms.
- gamma and beta move by rate * sum(dy xhat) and rate * sum(dy); errors of the steps add up.
- The running statistics are averages of what each batch has.

ROUNDINGS covers the handful of roundings that each formula has.
"""

from __future__ import annotations

from typing import Any, Dict, NamedTuple

import numpy as np

ROUNDINGS = 2


class Sizes(NamedTuple):
    """What the bounds are made of, for one step; vectors of C, in double."""

    x: np.ndarray  # the largest |x| of the channel
    mean: np.ndarray
    scale: np.ndarray  # s
    relative: np.ndarray  # what s is off by
    spread: np.ndarray  # the largest |xhat|, at least 1


def channels(values: np.ndarray, axis: int) -> np.ndarray:
    """(..., C) as (values, C)."""
    moved = np.moveaxis(np.asarray(values, np.float64), axis, -1)
    return moved.reshape(-1, moved.shape[-1])


def sizes(x: np.ndarray, axis: int, eps: float, unit: float,
          running: "tuple[np.ndarray, np.ndarray] | None" = None) -> Sizes:
    """Of a batch; by the running statistics where these normalize."""
    rows = channels(x, axis)
    mean, var = (rows.mean(0), rows.var(0)) if running is None else running
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = 1 / np.sqrt(var + eps)
        squares = (rows**2).mean(0) if running is None else 0
        relative = unit * (2 + 2 * squares / (var + eps))
        spread = 1 + np.abs((rows - mean) * scale).max(0)
    return Sizes(np.abs(rows).max(0), np.abs(mean), scale, relative, spread)


class Drift:
    """Bounds of one case as its steps go by; `unit` is the rounding unit of its type."""

    def __init__(self, unit: float, features: int, rates: Dict[str, float]) -> None:
        self.unit, self.rates = unit, rates
        self.state = {name: np.zeros(features) for name in
                      ("weight", "bias", "running_mean", "running_var")}

    def y(self, size: Sizes, weight: np.ndarray, bias: np.ndarray, running: bool) -> np.ndarray:
        """Of the output, a channel."""
        weight, bias = np.abs(weight), np.abs(bias)
        scaled = weight * size.scale
        own = self.unit * (scaled * (size.x + size.mean) + bias)
        own = own + weight * size.spread * size.relative
        carried = size.spread * self.state["weight"] + self.state["bias"]
        if running:
            carried = carried + scaled * self.state["running_mean"]
            carried = carried + weight * size.spread * size.scale**2 * self.state["running_var"] / 2
        return ROUNDINGS * own + carried

    def dx(self, size: Sizes, weight: np.ndarray, dy: np.ndarray) -> np.ndarray:
        """Of the gradient; `dy` the largest |dy| of the channel."""
        # The mean of |dy xhat| is at most the largest |dy|, since that of xhat^2 is at most 1.
        whole = np.abs(weight) * size.scale * dy * (2 + size.spread)
        xhat = self.unit * size.scale * (size.x + size.mean) + size.relative * size.spread
        own = whole * (self.unit + size.relative) + np.abs(weight) * size.scale * dy * (
            2 * xhat)
        return ROUNDINGS * own + size.scale * dy * (2 + size.spread) * self.state["weight"]

    def step(self, size: Sizes, count: int, dy: np.ndarray, parameters: Dict[str, np.ndarray],
             running: Dict[str, np.ndarray]) -> None:
        """What the state is off by after the step's changes; the arguments as they are then."""
        xhat = self.unit * size.scale * (size.x + size.mean) + size.relative * size.spread
        total = count * dy
        self.state["weight"] = self.state["weight"] + ROUNDINGS * (
            self.rates["weight_lr"] * total * (xhat + self.unit * size.spread)
            + self.unit * np.abs(parameters.get("weight", 0)))
        self.state["bias"] = self.state["bias"] + ROUNDINGS * self.unit * (
            self.rates["bias_lr"] * total + np.abs(parameters.get("bias", 0)))
        for name, power in (("running_mean", 1), ("running_var", 2)):
            error = self.unit * (np.abs(running.get(name, 0)) + size.x**power)
            self.state[name] = self.state[name] + ROUNDINGS * error


def assert_within(got: np.ndarray, want: np.ndarray, bound: Any, axis: int, what: str) -> float:
    """No element is off by more than its channel's bound or 4 ulp; gives the worst share."""
    assert got.shape == want.shape, f"{what}: shape {got.shape}, expected {want.shape}"
    assert got.dtype == want.dtype, f"{what}: type {got.dtype}, expected {want.dtype}"
    finite = np.isfinite(want)
    np.testing.assert_array_equal(np.isfinite(got), finite, err_msg=f"{what}: what is finite")
    shape = [1] * want.ndim
    shape[axis] = -1
    allowed = np.broadcast_to(np.reshape(np.broadcast_to(bound, want.shape[axis]), shape),
                              want.shape)
    allowed = np.maximum(allowed, 4 * np.spacing(np.abs(np.where(finite, want, 0))))
    difference = np.abs(np.where(finite, got, 0).astype(np.float64)
                        - np.where(finite, want, 0).astype(np.float64))
    share = np.where(finite, difference / allowed, 0)
    worst = int(np.argmax(share))
    assert share.flat[worst] <= 1, (
        f"{what}: off by {difference.flat[worst]:.3g} at {worst} of {want.flat[worst]!r}, allowed "
        f"{allowed.flat[worst]:.3g}")
    return float(share.flat[worst])
