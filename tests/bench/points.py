# SPDX-License-Identifier: Apache-2.0
"""What is measured: shapes, operations, and the bytes that must move."""

SHAPES = [
    (64, 256), (256, 1024), (4096, 1024), (32768, 1024), (4096, 1000), (100000, 64), (1000000, 3),
    (32, 64, 56, 56), (32, 256, 14, 14), (8, 2048, 7, 7), (256, 512, 100),
]
OPERATIONS = ["train_forward", "eval_forward", "forward_backward"]
DTYPE_BYTES = {"float32": 4, "float64": 8, "bfloat16": 2, "float16": 2}

# How often the whole batch is (read, written): where a tile stays in a cache, and where it does not.
# Forward reads x and writes y; without a cache it reads x twice. Backward reads x and dy and writes
# dx; without a cache it reads both twice.
MOVES = {
    "train_forward": ((1, 1), (2, 1)),
    "eval_forward": ((1, 1), (1, 1)),
    "forward_backward": ((3, 2), (6, 2)),
}
# The same as passes in either direction.
PASSES = {name: tuple(map(sum, moves)) for name, moves in MOVES.items()}

# What is asked for of the geometric mean of the ratios.
GOALS = {"train_forward": 2.0, "eval_forward": 1.0, "forward_backward": 3.0}


def layouts(shape):
    """Where the channels may be; without spatial axes there is one place."""
    return ["first", "last"] if len(shape) > 2 else ["first"]


def values(shape):
    product = 1
    for extent in shape:
        product *= extent
    return product


def name(shape):
    return "(" + ", ".join(str(extent) for extent in shape) + ")"


def parse_shape(text):
    return tuple(int(extent) for extent in text.strip("() ").replace("x", ",").split(","))
