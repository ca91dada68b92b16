# SPDX-License-Identifier: Apache-2.0
"""Makes the store of a format that test_damage.py reads: `make_store_fixtures.py FOLDER`.

Once a format: what lies in stores/ stays as it is, so that every later version is held to reading
it. What the journal has done again is exact in float whatever the order of the sums, so that every
machine comes to the same bits.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any, Dict

import numpy as np
from harness import store_bytes
from harness.daemon import Daemon
from harness.rpc import Rpc
from harness.store import digest, kill
from models import CLASSES, batch, classifier, norm_only

# Powers of two, so that means are exact; the state is too large to be written down at each step.
FEATURES, ROWS = 128, 2


def exact() -> Dict[str, Any]:
    """A session whose state is large beside its batches, and whose numbers have few digits."""
    layer = {"type": "linear", "in": FEATURES, "out": FEATURES, "weight_init": "zeros",
             "bias_init": "zeros"}
    return {"layers": [layer], "loss": "mse", "optimizer": {"type": "sgd", "lr": 2.0**-6}}


def exact_batch(seed: int) -> Dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    x, target = random.integers(-2, 3, (2, ROWS, FEATURES))
    return {"x": x.astype("f4"), "target": target.astype("f4")}


class Client:
    """Counts its mutations."""

    def __init__(self, name: str) -> None:
        self.name, self.seq = name, 0

    def call(self, rpc: Rpc, method: str, **fields: Any) -> Any:
        self.seq += 1
        return rpc.call(method, client=self.name, seq=self.seq, **fields)


def fill_base(rpc: Rpc, alpha: Client, beta: Client) -> None:
    """Sessions with every part of a state, and kept steps."""
    alpha.call(rpc, "session.create", session="adam", **classifier())
    for seed in range(3):
        x, target = batch(seed)
        alpha.call(rpc, "train", session="adam", x=x, target=target)
    used = alpha.call(rpc, "forward", session="adam", x=batch(3)[0])["step"]
    dy = np.ones((16, CLASSES), "f4")
    alpha.call(rpc, "backward", session="adam", step=used, dy=dy, apply=False)
    alpha.call(rpc, "stats.recalibrate", session="adam", x=batch(4)[0], finish=False)
    beta.call(rpc, "session.create", session="exact", **exact())
    beta.call(rpc, "train", session="exact", **exact_batch(0))
    rpc.call("session.create", session="gone", **norm_only())


def fill_sealed_segment(rpc: Rpc, alpha: Client, beta: Client) -> None:
    alpha.call(rpc, "session.create", session="made", **norm_only())
    beta.call(rpc, "train", session="exact", **exact_batch(1))
    x, target = batch(5)
    alpha.call(rpc, "train", session="adam", x=x, target=target)


def fill_last_segment(rpc: Rpc, alpha: Client, beta: Client) -> None:
    rpc.call("session.delete", session="gone")
    alpha.call(rpc, "forward", session="made", x=np.arange(16, dtype="f4").reshape(4, 4))
    beta.call(rpc, "train", session="exact", **exact_batch(2))
    x, target = batch(6)
    alpha.call(rpc, "train", session="adam", x=x, target=target)
    time.sleep(2.5)  # for the marker that an idle journal gets: it vouches for the last record


def main() -> None:
    directory = Path(sys.argv[1])
    shutil.rmtree(directory, ignore_errors=True)
    options = ("--data-dir", str(directory), "--fsync", "always")
    alpha, beta = Client("alpha"), Client("beta")
    with Daemon(*options) as daemon, daemon.connect() as rpc:
        fill_base(rpc, alpha, beta)
    for fill in (fill_sealed_segment, fill_last_segment):
        daemon = Daemon(*options)
        with daemon.connect() as rpc:
            fill(rpc, alpha, beta)
            described = {name: rpc.call("session.describe", session=name)
                         for name in rpc.call("session.list")["sessions"]}
            expected = {
                "sessions": {
                    name: {"version": about["version"], "steps": about["steps"],
                           "sha256": digest(rpc, name)}
                    for name, about in described.items()
                },
                "clients": {client.name: client.seq for client in (alpha, beta)},
            }
        kill(daemon)
    (directory / "lock").unlink()
    (directory / "saves").rmdir()
    assert {frame.kind for path in store_bytes.segments(directory)
            for frame in store_bytes.frames(path)} == {store_bytes.RECORD, store_bytes.MARKER}
    directory.with_suffix(".json").write_text(json.dumps(expected, indent=1) + "\n", "ascii")


if __name__ == "__main__":
    main()
