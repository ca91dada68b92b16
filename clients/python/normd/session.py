# SPDX-License-Identifier: Apache-2.0
"""One session of a daemon, with its name filled into each call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, Optional

from normd import results
from normd.calls import Named

if TYPE_CHECKING:
    from normd.client import Client


class Session:
    """A handle. It holds no state of the model; deleting it deletes nothing.

    `description` is what create answered, with the field `created`; None for other handles.
    """

    def __init__(
        self, client: Client, name: str, description: Optional[Dict[str, Any]] = None
    ) -> None:
        self.client = client
        self.name = name
        self.description = description

    def __repr__(self) -> str:
        return f"Session({self.name!r})"

    def train(
        self, x: Any, target: Any, sample_weight: Any = None, mask: Any = None
    ) -> results.Train:
        """See Client.train."""
        return self.client.train(self.name, x, target, sample_weight, mask)

    def evaluate(
        self, x: Any, target: Any, sample_weight: Any = None, mask: Any = None
    ) -> results.Evaluate:
        """See Client.evaluate."""
        return self.client.evaluate(self.name, x, target, sample_weight, mask)

    def infer(self, x: Any) -> results.Infer:
        """See Client.infer."""
        return self.client.infer(self.name, x)

    def forward(
        self, x: Any, mask: Any = None, update_stats: Optional[bool] = None
    ) -> results.Forward:
        """See Client.forward."""
        return self.client.forward(self.name, x, mask, update_stats)

    def backward(self, step: int, dy: Any, apply: Optional[bool] = None) -> results.Backward:
        """See Client.backward."""
        return self.client.backward(self.name, step, dy, apply)

    def step(self) -> results.Step:
        """See Client.step."""
        return self.client.step(self.name)

    def stats(
        self, layer: Optional[str] = None, convention: Optional[str] = None
    ) -> results.Stats:
        """See Client.stats."""
        return self.client.stats(self.name, layer, convention)

    def stats_reset(self, layer: Optional[str] = None) -> results.Step:
        """See Client.stats_reset."""
        return self.client.stats_reset(self.name, layer)

    def stats_recalibrate(
        self,
        x: Any = None,
        mask: Any = None,
        mode: Optional[str] = None,
        finish: Optional[bool] = None,
        restart: Optional[bool] = None,
    ) -> results.Recalibration:
        """See Client.stats_recalibrate."""
        return self.client.stats_recalibrate(self.name, x, mask, mode, finish, restart)

    def stats_freeze(
        self, layer: Optional[str] = None, parameters: Optional[bool] = None
    ) -> results.Step:
        """See Client.stats_freeze."""
        return self.client.stats_freeze(self.name, layer, parameters)

    def stats_thaw(
        self, layer: Optional[str] = None, parameters: Optional[bool] = None
    ) -> results.Step:
        """See Client.stats_thaw."""
        return self.client.stats_thaw(self.name, layer, parameters)

    def stats_batch(
        self, x: Any, mask: Any = None, layer: Optional[str] = None
    ) -> results.BatchStats:
        """See Client.stats_batch."""
        return self.client.stats_batch(self.name, x, mask, layer)

    def stats_drift(self, x: Any, layer: Optional[str] = None) -> results.Drift:
        """See Client.stats_drift."""
        return self.client.stats_drift(self.name, x, layer)

    def describe(self, convention: Optional[str] = None) -> Dict[str, Any]:
        """See Client.describe."""
        return self.client.describe(self.name, convention)

    def export(
        self,
        format: str = "safetensors",
        *,
        optimizer: Optional[bool] = None,
        fold: Optional[bool] = None,
    ) -> results.Export:
        """See Client.export."""
        return self.client.export(self.name, format, optimizer=optimizer, fold=fold)

    def import_(self, data: bytes, format: Optional[str] = None) -> results.Import:
        """See Client.import_."""
        return self.client.import_(self.name, data, format)

    def convert(self, convention: str, optimizer: Optional[Named] = None) -> results.Convert:
        """See Client.convert."""
        return self.client.convert(self.name, convention, optimizer)

    def copy(
        self, to: str, weights: Optional[str] = None, if_exists: Optional[str] = None
    ) -> Session:
        """See Client.copy."""
        return self.client.copy(self.name, to, weights, if_exists)

    def optimizer_set(
        self,
        lr: Optional[float] = None,
        weight_lr: Optional[float] = None,
        bias_lr: Optional[float] = None,
        schedule: Optional[Named] = None,
        averaging: Optional[Named] = None,
        metric: Optional[float] = None,
    ) -> results.OptimizerSet:
        """See Client.optimizer_set."""
        return self.client.optimizer_set(
            self.name, lr, weight_lr, bias_lr, schedule, averaging, metric
        )

    def delete(self) -> bool:
        """See Client.delete."""
        return self.client.delete(self.name)
