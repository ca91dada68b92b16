# SPDX-License-Identifier: Apache-2.0
"""A property test: random configurations through the daemon and the installed frameworks.

A case is drawn from its seed alone. One that fails is made simpler for as long as it goes on to
fail, and printed; `--seed SEED --cases 1` does it again.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any, Dict

os.environ.setdefault("KERAS_BACKEND", "torch")
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parents[1] / "blackbox")]

import keras  # noqa: E402
import keras_case  # noqa: E402
import model_case  # noqa: E402
import norm_case  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from harness.daemon import Daemon  # noqa: E402

KINDS = {"norm": norm_case, "model": model_case, "keras": keras_case}
MOST_SHRINKS = 200


def draw(seed: int) -> Dict[str, Any]:
    """The case of a seed."""
    random = np.random.default_rng(seed)
    kind = list(KINDS)[random.integers(len(KINDS))]
    return KINDS[kind].draw(random)


def failure(rpc: Any, case: Dict[str, Any]) -> str:
    """What is wrong with it, or nothing."""
    try:
        KINDS[case["kind"]].check(rpc, case)
    except Exception as error:  # whatever a case runs into is a finding
        return f"{type(error).__name__}: {error}"
    return ""


def shrink(rpc: Any, case: Dict[str, Any]) -> Dict[str, Any]:
    """A simpler case that fails, too."""
    for _ in range(MOST_SHRINKS):
        for smaller in KINDS[case["kind"]].simpler(case):
            if failure(rpc, smaller):
                case = smaller
                break
        else:
            break
    return case


def main() -> int:
    """0 when all cases passed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, help="so many cases")
    parser.add_argument("--seconds", type=float, help="cases for so long")
    parser.add_argument("--seed", type=int, default=0, help="of the first case")
    options = parser.parse_args()
    if (options.cases is None) == (options.seconds is None):
        parser.error("expected --cases or --seconds")
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, keras {keras.__version__}", flush=True)
    done = dict.fromkeys(KINDS, 0)
    failed = 0
    end = time.monotonic() + (options.seconds or 0)
    with Daemon() as daemon, daemon.connect() as rpc:
        seed = options.seed
        while seed - options.seed < options.cases if options.cases else time.monotonic() < end:
            case = draw(seed)
            message = failure(rpc, case)
            if message:
                failed += 1
                print(f"seed {seed}: {message}\n  {json.dumps(case)}")
                small = shrink(rpc, case)
                print(f"  simplest: {failure(rpc, small)}\n  {json.dumps(small)}", flush=True)
            done[case["kind"]] += 1
            seed += 1
    print(f"{sum(done.values())} cases ({done}), {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
