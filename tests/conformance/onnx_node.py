# SPDX-License-Identifier: Apache-2.0
"""One official ONNX node test of BatchNormalization through the daemon."""

from __future__ import annotations

from typing import Any, Dict, List

import numpy as np
from harness.rpc import Rpc


def run(rpc: Rpc, name: str, attributes: Dict[str, Any], inputs: List[np.ndarray]) -> List[Any]:
    """The node's outputs: Y, and in training mode the running mean and variance.

    ONNX (opset 15) has Keras' momentum and stores the population variance.
    """
    x, scale, bias, mean, var = inputs
    layer = {
        "type": "batch_norm",
        "axis": 1,
        "features": x.shape[1],
        "epsilon": attributes.get("epsilon", 1e-5),
        "momentum": attributes.get("momentum", 0.9),
        "running_variance": "biased",
        "gamma_initializer": scale,
        "beta_initializer": bias,
        "moving_mean_initializer": mean,
        "moving_variance_initializer": var,
    }
    rpc.call(
        "session.create", session=name, layers=[layer], convention="keras", if_exists="replace"
    )
    if not attributes.get("training_mode", 0):
        return [rpc.call("infer", session=name, x=x)["y"]]
    y = rpc.call("forward", session=name, x=x)["y"]
    (stats,) = rpc.call("stats", session=name)["layers"]
    return [y, stats["moving_mean"], stats["moving_variance"]]
