#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes a seed corpus for the target npz: npz_seeds.py FOLDER."""

import io
import pathlib
import sys

import numpy as np

ARRAYS = [
    np.arange(6, dtype="f4").reshape(2, 3),
    np.asfortranarray(np.arange(6, dtype="f8").reshape(2, 3)),
    np.int64(7),
    np.zeros((0, 3), "f2"),
    np.array([True, False]),
]


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, save in (("plain", np.savez), ("packed", np.savez_compressed)):
        for count in range(len(ARRAYS) + 1):
            file = io.BytesIO()
            save(file, *ARRAYS[:count])
            (folder / f"{name}-{count}").write_bytes(file.getvalue())
    for number, array in enumerate(ARRAYS):
        np.save(folder / f"member-{number}.npy", array)


if __name__ == "__main__":
    main()
