# SPDX-License-Identifier: Apache-2.0
"""Reads golden files and runs their cases through the daemon. make_common.py writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, List

import numpy as np
from harness import safetensors
from harness.rpc import Rpc

FOLDER = Path(__file__).resolve().parent / "golden"


def load(name: str) -> List[Dict[str, Any]]:
    """The cases of a file, arrays in place of their references."""
    with np.load(FOLDER / f"{name}.npz") as arrays:
        values = {key: arrays[key] for key in arrays.files}
    meta = json.loads(values.pop("meta").tobytes())

    def resolve(node: Any) -> Any:
        if isinstance(node, dict):
            if "$array" in node:
                return values[node["$array"]]
            return {key: resolve(value) for key, value in node.items()}
        return [resolve(value) for value in node] if isinstance(node, list) else node

    return resolve(meta["cases"])


def create(rpc: Rpc, case: Dict[str, Any]) -> str:
    """The case's session, new; gives its name."""
    rpc.call("session.create", session=case["name"], if_exists="replace", **case["create"])
    return case["name"]


def state(rpc: Rpc, session: str) -> Dict[str, np.ndarray]:
    """Every tensor that the session exports."""
    answer = rpc.call("session.export", session=session, format="safetensors")
    return safetensors.load(answer["data"])


def unit(case: Dict[str, Any]) -> float:
    """The rounding unit of the case's type: half the distance of 1 and the next number."""
    return float(np.finfo(case["create"]["dtype"]).eps) / 2


def assert_close(got: np.ndarray, want: np.ndarray, bound: float, what: str) -> None:
    """No element is further away than `bound`."""
    assert got.shape == want.shape, f"{what}: shape {got.shape}, expected {want.shape}"
    assert got.dtype == want.dtype, f"{what}: type {got.dtype}, expected {want.dtype}"
    difference = np.abs(got.astype(np.float64) - want.astype(np.float64)).max(initial=0.0)
    assert difference <= bound, f"{what}: off by {difference:.3g}, allowed {bound:.3g}"
