# SPDX-License-Identifier: Apache-2.0
"""Writes golden/*.npz with the frameworks installed; run again only to widen the cases.

Needs torch and keras 3; the tests need neither.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import make_digits  # noqa: E402
import make_keras  # noqa: E402
import make_layers  # noqa: E402
import make_norms  # noqa: E402
import make_optimizers  # noqa: E402
import make_penalties  # noqa: E402
import make_losses  # noqa: E402
import make_pytorch  # noqa: E402
import make_statistics  # noqa: E402

if __name__ == "__main__":
    make_digits.make()
    make_pytorch.make()
    make_statistics.make()
    make_losses.make()
    make_keras.make()
    make_layers.make()
    make_norms.make()
    make_optimizers.make()
    make_penalties.make()
