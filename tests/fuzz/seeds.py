#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes a seed corpus of the golden vectors: seeds.py VECTORS FOLDER PREFIX...

Each vector becomes a file for each PREFIX (hexadecimal; the bytes by which a target chooses how to
read the rest): the prefix and the vector's bytes.
"""

import json
import pathlib
import sys


def main():
    vectors, folder, *prefixes = sys.argv[1:]
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for number, line in enumerate(pathlib.Path(vectors).read_text().splitlines()):
        data = bytes.fromhex(json.loads(line)["hex"])
        for prefix in prefixes:
            seed = bytes.fromhex(prefix) + data
            (folder / f"vector-{number:03}-{prefix}").write_bytes(seed)


if __name__ == "__main__":
    main()
