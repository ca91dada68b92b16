#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""PyTorch's batch norm behind the line protocol of server.h.

Forward is torch.nn.functional.batch_norm with gamma, beta and running statistics, out of place;
backward goes through autograd, for dx, dgamma and dbeta. Channels last is the memory format that
PyTorch calls so; (N, C, L) takes part in it as (N, C, L, 1).
"""

import os
import sys
import time

import torch

# The type of a batch, and that of gamma, beta and the running statistics beside it. For 16 bits that
# is float32, as under autocast.
DTYPES = {
    "float32": (torch.float32, torch.float32),
    "float64": (torch.float64, torch.float64),
    "bfloat16": (torch.bfloat16, torch.float32),
    "float16": (torch.float16, torch.float32),
}


class Point:
    """The tensors of one shape, type and layout; what is not asked for is not made."""

    def __init__(self, dtype, vectors, last, shape):
        if len(shape) == 3:
            shape = [*shape, 1]
        self.format = torch.contiguous_format
        if last and len(shape) > 2:
            self.format = torch.channels_last if len(shape) == 4 else torch.channels_last_3d
        self.shape, self.dtype = shape, dtype
        self.x = self.make()
        self.mean, self.var, self.gamma, self.beta = (
            torch.full((shape[1],), value, dtype=vectors) for value in (0.0, 1.0, 1.5, 0.5))
        self.dy = None

    def make(self):
        flat = torch.rand(self.shape, dtype=torch.float32) * 4 - 1
        return flat.to(self.dtype).contiguous(memory_format=self.format)

    def want_gradients(self):
        if self.dy is None:
            self.dy = self.make()
        for tensor in (self.x, self.gamma, self.beta):
            tensor.requires_grad_(True)

    def norm(self, training):
        return torch.nn.functional.batch_norm(
            self.x, self.mean, self.var, self.gamma, self.beta, training=training)

    def train_forward(self, calls):
        with torch.no_grad():
            for _ in range(calls):
                self.norm(True)

    def eval_forward(self, calls):
        with torch.inference_mode():
            for _ in range(calls):
                self.norm(False)

    def forward_backward(self, calls):
        self.want_gradients()
        inputs = (self.x, self.gamma, self.beta)
        for _ in range(calls):
            torch.autograd.grad(self.norm(True), inputs, self.dy)


def seconds_of(function, calls):
    begin = time.perf_counter()
    function(calls)
    return time.perf_counter() - begin


def measure(function, repetitions, wanted):
    """As server.c does it: finding the number of calls is the warm-up."""
    calls = 1
    seconds = seconds_of(function, calls)
    while seconds < wanted / 4:
        calls *= 2
        seconds = seconds_of(function, calls)
    calls = max(1, int(wanted / (seconds / calls)) + 1) if wanted > 0 else 1
    return [seconds_of(function, calls) / calls for _ in range(repetitions)]


class Server:
    def __init__(self):
        self.kept = {}  # layout -> Point, of one shape and type
        self.key = None

    def point(self, dtype, layout, shape):
        if self.key != (dtype, shape):
            self.kept.clear()
            self.key = (dtype, shape)
        if layout not in self.kept:
            extents = [int(extent) for extent in shape.split(",")]
            self.kept[layout] = Point(*DTYPES[dtype], layout == "last", extents)
        return self.kept[layout]

    def answer(self, words):
        if words == ["info"]:
            return f"info PyTorch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}"
        _, operation, dtype, layout, shape, _, threads, _, repetitions, _, milliseconds = words
        if dtype not in DTYPES or operation not in ("train_forward", "eval_forward", "forward_backward"):
            return f"absent {operation} for {dtype}"
        if torch.get_num_threads() != int(threads):
            torch.set_num_threads(int(threads))
        function = getattr(self.point(dtype, layout, shape), operation)
        seconds = measure(function, int(repetitions), 1e-3 * int(milliseconds))
        return "seconds " + " ".join(f"{one:.9g}" for one in seconds)


def main():
    # Answers have a descriptor of their own, so that nobody's print gets in between.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    server = Server()
    for line in sys.stdin:
        try:
            text = server.answer(line.split())
        except (ValueError, RuntimeError) as error:
            text = "error " + " ".join(str(error).split())
        print(text, file=answers, flush=True)


if __name__ == "__main__":
    main()
