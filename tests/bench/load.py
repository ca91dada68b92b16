# SPDX-License-Identifier: Apache-2.0
"""What bench-load sends (load_plan.h has the format of the file), and running it."""

import json
import resource
import struct
import subprocess
import time

import msgpack
import numpy as np
import programs


class Refused(Exception):
    """bench-load ended with a refusal or a lost connection."""


def text(data):
    return struct.pack("<I", len(data)) + data


def write(path, redis, heads, tails, client=""):
    """`heads` has a list of one head a phase for each target."""
    with open(path, "wb") as file:
        file.write(struct.pack("<III", redis, len(tails), len(heads)))
        file.write(text(client.encode()) + b"".join(map(text, tails)))
        for phases in heads:
            file.write(b"".join(map(text, phases)))
    return path


def array(values):
    return {"nd": True, "type": values.dtype.str, "kind": "", "shape": list(values.shape),
            "data": values.tobytes()}


def head(method, fields, session):
    """Up to the session; `fields` counts all that the map will have."""
    return (msgpack.packb(method) + msgpack.Packer().pack_map_header(fields)
            + msgpack.packb("session") + msgpack.packb(session))


def tail(**arrays):
    return b"".join(msgpack.packb(name) + msgpack.packb(array(one)) for name, one in arrays.items())


def train(path, sessions, x, target, client=""):
    fields = 3 + 2 * bool(client)
    return write(path, 0, [[head("train", fields, one)] for one in sessions],
                 [tail(target=target, x=x)], client)


def pairs(path, sessions, x, client=""):
    """forward, and backward with a gradient of the same shape."""
    once = 2 * bool(client)
    dy = np.random.default_rng(3).standard_normal(x.shape, np.float32) / 256
    return write(path, 0,
                 [[head("forward", 2 + once, one), head("backward", 3 + once, one)] for one in sessions],
                 [tail(x=x), tail(dy=dy)], client)


def create(path, sessions, configuration):
    fields = b"".join(msgpack.packb(name) + msgpack.packb(value) for name, value in configuration.items())
    return write(path, 0, [[head("session.create", 1 + len(configuration), one)] for one in sessions],
                 [fields])


def redis_set(path, keys, size):
    """SET of `size` random bytes under keys of the length that our sessions' names have."""
    value = np.random.default_rng(4).bytes(size)
    heads = [[b"*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n" % (len(key), key, size)]
             for key in (b"key:%06d" % number for number in range(keys))]
    return write(path, 1, heads, [value + b"\r\n"])


def children_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run(program, server, plan, clients, skip, seconds):
    """One turn. `skip` is "requests" for a fixed number of them. Adds to what bench-load says how
    many processors it, the server and others had, and the server's processor time for each step."""
    begin, busy = time.monotonic(), programs.busy_seconds()
    own, children = programs.process_seconds(server.pid), children_seconds()
    command = [program, f"127.0.0.1:{server.port}", plan, clients, skip, seconds]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Refused(f"{server.name}: {done.stderr.strip()}")
    elapsed = time.monotonic() - begin
    served = programs.process_seconds(server.pid) - own
    others = programs.busy_seconds() - busy - served - (children_seconds() - children)
    turn = json.loads(done.stdout)
    turn["load_cpu"] = turn.pop("cpu") / turn["seconds"]
    turn["server_cpu"] = served / elapsed
    turn["server_us"] = 1e6 * served / max(turn["all"], 1)
    turn["others"] = max(0.0, others / elapsed)
    return turn
