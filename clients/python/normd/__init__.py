# SPDX-License-Identifier: Apache-2.0
"""Client of normd: NumPy arrays in, NumPy arrays out.

    with normd.connect() as client:
        model = client.create("demo", [{"type": "batch_norm", "features": 4}])
        y = model.infer([[1.0, 2.0, 3.0, 4.0]]).y
"""

import importlib
from typing import Any

from normd import calls
from normd.client import Client, connect
from normd.errors import (
    BadArgument,
    BadRequest,
    BadShape,
    Busy,
    ClientClosed,
    ConnectionLost,
    ContextLost,
    DeadlineExceeded,
    Error,
    Forbidden,
    Internal,
    NoSuchMethod,
    NoSuchSession,
    NotAuthenticated,
    NotFinite,
    SeqGap,
    SeqReused,
    SeqTooOld,
    SessionExists,
    ShuttingDown,
    StoreFailed,
    Timeout,
    TooLarge,
    UnknownClient,
)
from normd.pipeline import Future, Pipeline
from normd.results import (
    Backward,
    Copy,
    Evaluate,
    Export,
    Forward,
    Hello,
    Import,
    Infer,
    LayerStats,
    OptimizerSet,
    Save,
    ServerInfo,
    Stats,
    Step,
    Train,
)
from normd.session import Session

__version__ = "0.1.0"

__all__ = [
    "Backward",
    "BadArgument",
    "BadRequest",
    "BadShape",
    "Busy",
    "Client",
    "ClientClosed",
    "ConnectionLost",
    "ContextLost",
    "Copy",
    "DeadlineExceeded",
    "Error",
    "Evaluate",
    "Export",
    "Forbidden",
    "Forward",
    "Future",
    "Hello",
    "Import",
    "Infer",
    "Internal",
    "LayerStats",
    "NoSuchMethod",
    "NoSuchSession",
    "NotAuthenticated",
    "NotFinite",
    "OptimizerSet",
    "Pipeline",
    "Save",
    "SeqGap",
    "SeqReused",
    "SeqTooOld",
    "ServerInfo",
    "Session",
    "SessionExists",
    "ShuttingDown",
    "Stats",
    "Step",
    "StoreFailed",
    "Timeout",
    "TooLarge",
    "Train",
    "UnknownClient",
    "calls",
    "connect",
]


def __getattr__(name: str) -> Any:
    """normd.torch, normd.keras and normd.onnx, which need packages that normd does not."""
    if name in ("torch", "keras", "onnx"):
        return importlib.import_module(f"normd.{name}")
    raise AttributeError(f"module 'normd' has no attribute {name!r}")
