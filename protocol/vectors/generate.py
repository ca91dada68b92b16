#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes vectors.jsonl: golden bytes of the protocol, made by the packages msgpack and
msgpack_numpy and not by normd. With --check, fails when the file is not what this script writes,
or exits 77 when the packages are not there.

The format is described in ../README.md.
"""

import json
import pathlib
import struct
import sys

try:
    import msgpack
    import msgpack_numpy
    import numpy as np
    from once import add_once
except ImportError as error:
    print(error, file=sys.stderr)
    sys.exit(77)

FILE = pathlib.Path(__file__).with_name("vectors.jsonl")


# ---- Bytes -------------------------------------------------------------------------------------


def pack(value):
    """As a client with msgpack_numpy writes it: arrays with bin keys."""
    return msgpack.packb(value, default=msgpack_numpy.encode)


def pack_old(value):
    """As a client of the old specification writes it: no bin type, keys and data as raw."""
    return msgpack.packb(value, default=msgpack_numpy.encode, use_bin_type=False)


def str_keys(array):
    """An array map with str keys and bin data, as normd answers clients that send str keys."""
    encoded = {
        key.decode(): value
        for key, value in msgpack_numpy.encode(array).items()
    }
    encoded["kind"] = ""
    return encoded


def request(ident, method, params):
    return pack([0, ident, method, params])


def response(ident, error, result):
    return pack([1, ident, error, result])


# ---- Expectations ------------------------------------------------------------------------------


def shown(value):
    """A value in JSON: {"$array": ...} and {"$bytes": ...} stand for what JSON does not have."""
    if isinstance(value, np.generic):
        value = np.asarray(value)
    if isinstance(value, np.ndarray):
        data = np.ascontiguousarray(value).tobytes().hex()
        return {"$array": {"type": value.dtype.str, "shape": list(value.shape), "data": data}}
    if isinstance(value, bytes):
        return {"$bytes": value.hex()}
    if isinstance(value, dict):
        return {key: shown(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [shown(item) for item in value]
    return value


class Vectors:
    def __init__(self):
        self.rows = []
        self.names = set()

    def add(self, name, direction, data, expect, limits=None):
        assert name not in self.names, name
        self.names.add(name)
        row = {"name": name, "direction": direction, "hex": data.hex(), "expect": expect}
        if limits is not None:
            row["limits"] = limits
        self.rows.append(row)

    def call(self, name, data, ident, method, fields, keys="str", notification=False, once=None):
        expect = {"id": ident, "method": method, "keys": keys, "fields": shown(fields)}
        if once is not None:
            expect["once"] = once
        if notification:
            expect["notification"] = True
        self.add(name, "request", data, expect)

    def refused(self, name, data, ident, code, *mentions, notification=False, limits=None):
        """`ident` None: the daemon closes (or, for a notification, drops it)."""
        expect = {"id": ident, "error": code, "mentions": list(mentions)}
        if notification:
            expect["notification"] = True
        self.add(name, "request", data, expect, limits)

    def answer(self, name, data, ident, error, result, keys="str", canonical=True):
        """`canonical`: normd writes exactly these bytes."""
        expect = {"id": ident, "error": error, "result": shown(result), "keys": keys}
        if canonical:
            expect["canonical"] = True
        self.add(name, "response", data, expect)

    def stream(self, name, data, frame):
        """A stream that is no message: "bad" at its last byte, or "more" to come behind it."""
        self.add(name, "stream", data, {"frame": frame})


# ---- Requests ----------------------------------------------------------------------------------

X = np.arange(6, dtype="<f4").reshape(2, 3)
LABELS = np.array([1, 0], dtype="<i8")


def add_envelopes(v):
    for ident in (0, 1, 127, 128, 255, 256, 65535, 65536, 2**32 - 1):
        v.call(f"ping, id {ident}", request(ident, "ping", {}), ident, "ping", {})
    v.call("ping, nil for params", request(1, "ping", None), 1, "ping", {})
    v.call("ping, an empty list for params", request(1, "ping", []), 1, "ping", {})
    v.call("ping, a list of one empty map", request(1, "ping", [{}]), 1, "ping", {})
    v.call("ping, a list of nil", request(1, "ping", [None]), 1, "ping", {})
    v.call("ping, the method as bin", request(1, b"ping", {}), 1, "ping", {})
    wide = b"\xdd\0\0\0\4" + b"\xcf" + bytes(8) + b"\xcf" + struct.pack(">Q", 7)
    wide += b"\xdb\0\0\0\4ping" + b"\xdf\0\0\0\0"
    v.call("ping, every header in its widest form", wide, 7, "ping", {})
    v.call("ping, a notification", pack([2, "ping", {}]), None, "ping", {}, notification=True)
    fields = {"session": "m"}
    v.call("step", request(3, "step", fields), 3, "step", fields)
    v.call("step, params in a list", request(3, "step", [fields]), 3, "step", fields)
    v.call("step, keys as bin", request(3, "step", {b"session": "m"}), 3, "step", fields,
           keys="bin")
    v.call("step, everything as bin", request(3, b"step", {b"session": b"m"}), 3, "step", fields,
           keys="bin")
    v.call("step, everything as raw", pack_old([0, 3, "step", fields]), 3, "step", fields)
    v.call("describe, nil for an optional field",
           request(3, "session.describe", {"session": "m", "convention": None}), 3,
           "session.describe", fields)
    fields = {"session": "modèle-模型"}
    v.call("step, a name in two scripts", request(3, "step", fields), 3, "step", fields)


def add_methods(v):
    layers = [
        {"type": "linear", "out": 4, "weight_init": {"name": "he_normal"}},
        {"type": "batch_norm", "eps": 1e-5, "momentum": None, "axis": -1, "affine": True},
        {"type": "relu"},
    ]
    calls = [
        ("hello", {"client": "vectors/1", "token": "secret"}),
        ("hello", {}),
        ("server.info", {}),
        ("session.list", {}),
        ("session.create", {"session": "m", "layers": layers}),
        ("session.create", {
            "session": "m", "layers": layers, "input": [None, 64],
            "loss": {"type": "cross_entropy"},
            "optimizer": {"type": "adam", "lr": 1e-3, "betas": [0.9, 0.999], "weight_lr": 0.5},
            "convention": "keras", "dtype": "float64", "seed": 2**63 - 1, "if_exists": "ok"}),
        ("session.create", {
            "session": "m",
            "layers": [{"type": "batch_norm", "features": 3, "weight_init": np.ones(3, "<f8"),
                        "bias_init": [0, 0.5, -1]}]}),
        ("session.describe", {"session": "m", "convention": "keras"}),
        ("session.delete", {"session": "m"}),
        ("session.export", {"session": "m", "format": "safetensors"}),
        ("session.import", {"session": "m", "format": "safetensors",
                            "data": b"\x02" + bytes(7) + b"{}"}),
        ("forward", {"session": "m", "x": X}),
        ("forward", {"session": "m", "x": X, "mask": np.array([True, False]),
                     "update_stats": False}),
        ("backward", {"session": "m", "step": 12, "dy": X}),
        ("backward", {"session": "m", "step": 0, "dy": X, "apply": False}),
        ("train", {"session": "m", "x": X, "target": LABELS}),
        ("evaluate", {"session": "m", "x": X, "target": LABELS}),
        ("infer", {"session": "m", "x": X}),
        ("stats", {"session": "m", "layer": "1", "convention": "pytorch"}),
        ("stats", {"session": "m", "layer": 1}),
    ]
    for number, (method, fields) in enumerate(calls):
        arrays = any(isinstance(field, np.ndarray) for field in fields.values())
        v.call(f"{method}, method call {number}", request(number, method, fields), number, method,
               fields, keys="bin" if arrays else "str")


def add_arrays(v):
    for type_name in ("<f4", "<f8", "<f2", "|b1", "|i1", "<i2", "<i4", "<i8", "|u1", "<u2", "<u4",
                      "<u8"):
        x = np.arange(6).reshape(3, 2).astype(type_name)
        fields = {"session": "m", "x": x}
        v.call(f"infer, {type_name}", request(1, "infer", fields), 1, "infer", fields, keys="bin")
    fields = {"session": "m", "x": X}
    written = {"session": "m", "x": str_keys(X)}
    v.call("infer, array keys as str", request(1, "infer", written), 1, "infer", fields)
    v.call("infer, array keys as str, params keys as bin",
           request(1, "infer", {b"session": "m", b"x": str_keys(X)}), 1, "infer", fields)
    v.call("infer, everything as raw", pack_old([0, 1, "infer", fields]), 1, "infer", fields)
    old = msgpack_numpy.encode(X)
    del old[b"kind"]
    v.call("infer, without kind, as older msgpack_numpy writes",
           request(1, "infer", {"session": "m", "x": old}), 1, "infer", fields, keys="bin")
    backward = dict(reversed(list(str_keys(X).items())))
    v.call("infer, data first", request(1, "infer", {"session": "m", "x": backward}), 1, "infer",
           fields)
    for shape in ((), (1,), (0,), (2, 0, 3), (1, 1, 1, 1, 1, 1, 1, 2)):
        fields = {"session": "m", "x": np.ones(shape, "<f4")}
        v.call(f"infer, shape {shape}", request(1, "infer", fields), 1, "infer", fields, keys="bin")
    fields = {"session": "m", "x": np.array([[1.5, -2.0]], "<f4")}
    written = {"session": "m", "x": str_keys(fields["x"])}
    v.call("the request in PROTOCOL.md", request(7, "infer", written), 7, "infer", fields)
    fields = {"session": "m", "x": np.float32(1.5)}
    v.call("infer, a NumPy scalar", request(1, "infer", fields), 1, "infer", fields, keys="bin")
    long = {"session": "m", "x": np.arange(100, dtype="<f8").reshape(10, 10)}
    v.call("infer, an array of 800 bytes", request(1, "infer", long), 1, "infer", long, keys="bin")


# ---- Refused requests --------------------------------------------------------------------------


def add_bad_envelopes(v):
    for name, value in (
        ("an integer", 7), ("nil", None), ("a map", {"method": "ping"}), ("an empty list", []),
        ("a response", [1, 1, None, None]), ("type 3", [3, 1, "ping", {}]),
        ("a type that is no integer", ["0", 1, "ping", {}]),
        ("a type below zero", [-1, 1, "ping", {}]),
        ("no id", [0]), ("an id below zero", [0, -1, "ping", {}]),
        ("an id of 33 bits", [0, 2**32, "ping", {}]), ("a float for the id", [0, 1.0, "ping", {}]),
        ("a string for the id", [0, "1", "ping", {}]),
    ):
        v.refused(f"no request: {name}", pack(value), None, "BAD_REQUEST", "MessagePack-RPC")
    for name, value, mention in (
        ("no method", [0, 5], "[0, id, method, params]"),
        ("no params", [0, 5, "ping"], "[0, id, method, params]"),
        ("five elements", [0, 5, "ping", {}, None], "a list of 5"),
        ("an integer for the method", [0, 5, 42, {}], "method: expected a string, got 42"),
        ("a string for params", [0, 5, "ping", "x"],
         "params: expected one map of fields, got \"x\""),
        ("two params", [0, 5, "ping", [{}, {}]], "got a list of 2"),
        ("params nested twice", [0, 5, "ping", [[{}]]], "params: expected one map"),
    ):
        v.refused(f"bad request: {name}", pack(value), 5, "BAD_REQUEST", mention)
    v.refused("bad notification: no params", pack([2, "ping"]), None, "BAD_REQUEST",
              "[2, method, params]", notification=True)
    v.refused("bad notification: unknown method", pack([2, "pong", {}]), None, "NO_SUCH_METHOD",
              "pong", notification=True)


def add_bad_fields(v):
    def refuse(name, method, params, code, *mentions):
        v.refused(name, request(9, method, params), 9, code, *mentions)

    refuse("unknown method", "inference", {}, "NO_SUCH_METHOD", '"inference"')
    refuse("unknown method: the empty name", "", {}, "NO_SUCH_METHOD", '""')
    refuse("unknown method: a long name", "x" * 300, {}, "NO_SUCH_METHOD", 'xxx..."')
    refuse("unknown method: not UTF-8", b'\xff\x00"', {}, "NO_SUCH_METHOD", "3 bytes")
    refuse("unknown field", "infer", {"session": "m", "input": 1}, "BAD_ARGUMENT",
           "only the fields session, x", '"input"')
    refuse("unknown field: of a method without fields", "ping", {"a": 1}, "BAD_ARGUMENT",
           "no fields", '"a"')
    refuse("unknown field: an integer for the key", "infer", {1: 1}, "BAD_ARGUMENT", "the field 1")
    refuse("unknown field: of a method that mutates", "step", {"session": "m", "sequence": 1},
           "BAD_ARGUMENT", "only the fields session, client, seq", '"sequence"')
    for method in ("infer", "stats.batch"):
        params = {"session": "m", "x": X, "client": "c", "seq": 1}
        refuse(f"unknown field: client of {method}, which does not mutate", method, params,
               "BAD_ARGUMENT", "only the fields session, x", '"client"')
    refuse("missing field", "infer", {"session": "m"}, "BAD_ARGUMENT", "x: expected", "got nothing")
    refuse("missing field: no params", "infer", None, "BAD_ARGUMENT", "session: expected a string",
           "got nothing")
    refuse("nil for a required field", "step", {"session": None}, "BAD_ARGUMENT",
           "session: expected a string, got nil")
    refuse("an integer for a string", "step", {"session": 7}, "BAD_ARGUMENT",
           "session: expected a string, got 7")
    refuse("a string for an integer", "backward", {"session": "m", "step": "1", "dy": X},
           "BAD_ARGUMENT", 'step: expected a non-negative integer, got "1"')
    refuse("an integer below zero", "backward", {"session": "m", "step": -1, "dy": X},
           "BAD_ARGUMENT", "step: expected a non-negative integer, got -1")
    refuse("a float for an integer", "backward", {"session": "m", "step": 1.5, "dy": X},
           "BAD_ARGUMENT", "step:", "the float 1.5")
    refuse("an integer for a boolean", "forward", {"session": "m", "x": X, "update_stats": 1},
           "BAD_ARGUMENT", "update_stats: expected true or false, got 1")
    refuse("a list for bytes", "session.import",
           {"session": "m", "format": "safetensors", "data": [1, 2]}, "BAD_ARGUMENT",
           "data: expected bytes, got a list of 2")
    refuse("a control character in a string", "step", {"session": "a\0b"}, "BAD_ARGUMENT",
           "session: expected UTF-8 text without control characters", "a\\x00b")
    refuse("a string that is not UTF-8", "step", {"session": b"\xc3("}, "BAD_ARGUMENT",
           "session: expected UTF-8")
    twice = b"\x94\x00\x09\xa4step\x82\xa7session\xa1a\xa7session\xa1b"
    v.refused("a field twice", twice, 9, "BAD_ARGUMENT", "session: expected the field once")
    twice = b"\x94\x00\x09\xa4step\x82\xa7session\xa1a\xc4\x07session\xa1b"
    v.refused("a field twice, as str and bin", twice, 9, "BAD_ARGUMENT", "session:", "twice")


def add_bad_arrays(v):
    def refuse(name, array, *mentions):
        data = request(9, "infer", {"session": "m", "x": array})
        v.refused(f"bad array: {name}", data, 9, "BAD_ARGUMENT", *mentions)

    def changed(**changes):
        encoded = str_keys(X)
        encoded.update(changes)
        return encoded

    def without(key):
        encoded = str_keys(X)
        del encoded[key]
        return encoded

    refuse("a list of numbers", [1.0, 2.0], "x: expected an array", "a list of 2")
    refuse("an empty map", {}, "x: expected an array")
    refuse("a complex number, as msgpack_numpy writes it", 1j, 'the key "complex"')
    refuse("a record array", np.zeros(2, [("a", "<f4")]), 'x.kind: expected', '"V"')
    refuse("pickled objects", changed(kind="O", type="|O", data=b"\x80\x04N."), "x.kind", "pickled")
    refuse("pickled objects without kind", changed(type="|O"), "x.type", "pickled")
    refuse("a structured type", changed(type=[["a", "<f4"]]), "x.type", "structured")
    refuse("big-endian numbers", X.astype(">f4"), "x.type", "little-endian")
    refuse("complex numbers", X.astype("<c8"), "x.type", '"<c8"')
    refuse("long doubles", changed(type="<f16"), "x.type", '"<f16"')
    refuse("text", np.array(["ab"]), "x.type", '"<U2"')
    refuse("an integer for the type", changed(type=4), "x.type", "got 4")
    refuse("an integer for the kind", changed(kind=4), "x.kind", "got 4")
    refuse("an integer for nd", changed(nd=1), "x.nd: expected true or false, got 1")
    refuse("an integer for the shape", changed(shape=6), "x.shape: expected a list, got 6")
    refuse("nine axes", changed(shape=[1] * 8 + [6]), "x.shape: expected at most 8 axes, got 9")
    refuse("an extent below zero", changed(shape=[2, -3]), "x.shape[1]", "got -3")
    refuse("a float for an extent", changed(shape=[2.0, 3]), "x.shape[0]", "the float 2")
    refuse("a shape that overflows", changed(shape=[2**32, 2**32]), "x.shape", "fits")
    refuse("a shape whose bytes overflow", changed(shape=[2**62]), "x.shape", "fits")
    refuse("too few bytes", changed(data=X.tobytes()[1:]), "x.data: expected 24 bytes", "(2, 3)",
           "got 23")
    refuse("too many bytes", changed(data=X.tobytes() + b"\0"), "x.data", "got 25")
    refuse("a list for the data", changed(data=[1, 2]), "x.data: expected bytes, got a list of 2")
    refuse("an unknown key", changed(order="C"), 'the key "order"')
    refuse("a scalar with a shape", changed(nd=False), "x.shape", "scalar")
    for key in ("nd", "type", "shape", "data"):
        refuse(f"no {key}", without(key), f"x.{key}: expected a value, got nothing")
    bytes_of_x = request(9, "infer", {"session": "m", "x": str_keys(X)})
    twice = bytes_of_x.replace(b"\x85\xa2nd\xc3", b"\x86\xa2nd\xc3\xa2nd\xc3")
    v.refused("bad array: a key twice", twice, 9, "BAD_ARGUMENT", "x.nd: expected the key once")


# ---- Streams and limits ------------------------------------------------------------------------


def add_streams(v):
    v.stream("stream: the byte that is never used", b"\xc1", "bad")
    for lead in (0xc7, 0xc8, 0xc9, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8):
        v.stream(f"stream: an ext, {lead:#x}", bytes([0x94, 0, 1, lead]), "bad")
    v.stream("stream: a timestamp in params",
             pack([0, 1, "ping", msgpack.Timestamp(1)])[:9], "bad")
    v.stream("stream: nothing", b"", "more")
    whole = request(1, "infer", {"session": "m", "x": X})
    for cut in (1, 2, 3, 9, 20, len(whole) - 1):
        v.stream(f"stream: a request cut at {cut}", whole[:cut], "more")
    v.stream("stream: a list that claims 2^32 - 1 values", b"\x94\0\1\xdd\xff\xff\xff\xff", "more")
    v.stream("stream: lists in lists, 60 deep", b"\x91" * 60, "more")
    http = b"GET / HTTP/1.1\r\n\r\n"
    v.refused("no request: HTTP, whose first byte is an integer", http[:1], None, "BAD_REQUEST")


def add_limits(v):
    limits = {"message_bytes": 4096, "head_bytes": 256, "elements": 32, "depth": 6,
              "payload_bytes": 64}

    def refuse(name, data, *mentions):
        v.refused(f"limit: {name}", data, 4, "TOO_LARGE", *mentions, limits=limits)

    big = np.zeros(1100, "<f4")
    refuse("message_bytes", request(4, "infer", {"session": "m", "x": big}),
           "at most 4096 bytes (message_bytes)")
    refuse("head_bytes", request(4, "infer", {"session": "m", "x": ["y" * 60] * 5}),
           "at most 256 bytes", "head_bytes")
    refuse("elements", request(4, "infer", {"session": "m", "x": [1] * 40}),
           "at most 32 values", "elements")
    deep = 1
    for _ in range(5):
        deep = [deep]
    refuse("depth", request(4, "infer", {"session": "m", "x": deep}), "at most 6 levels", "depth")
    nest = request(4, "infer", {"session": "m", "x": 1})[:-1] + b"\x91" * 400 + b"\1"
    refuse("depth beyond any stack", nest, "at most 6 levels", "depth")


# ---- Responses ---------------------------------------------------------------------------------


def add_responses(v):
    v.answer("response: pong", response(1, None, "pong"), 1, None, "pong")
    for ident in (0, 127, 128, 65536, 2**32 - 1):
        v.answer(f"response: id {ident}", response(ident, None, None), ident, None, None)
    message = "BAD_SHAPE x: expected 64 features, got 63"
    v.answer("response: an error", response(8, message, None), 8, message, None)
    message = "NO_SUCH_SESSION é 模 😀"
    v.answer("response: an error with all that UTF-8 has", response(8, message, None), 8, message,
             None)
    v.answer("response: names", response(2, None, {"sessions": ["a", "b"]}), 2, None,
             {"sessions": ["a", "b"]})
    v.answer("response: numbers", response(2, None, {"loss": 0.25, "steps": 2**40, "version": 300,
                                                     "least": -1, "ok": True}), 2, None,
             {"loss": 0.25, "steps": 2**40, "version": 300, "least": -1, "ok": True})
    result = {"format": "safetensors", "data": bytes(range(9))}
    v.answer("response: bytes", response(2, None, result), 2, None, result)
    for type_name in ("<f4", "<f8", "<f2", "|b1", "<i8"):
        for shape in ((2, 3), (0,), (), (300,)):
            y = np.arange(int(np.prod(shape))).reshape(shape).astype(type_name)
            result = {"version": 7, "y": y}
            name = f"response: {type_name} {shape}, keys"
            v.answer(f"{name} as bin", response(6, None, result), 6, None, result, keys="bin")
            written = {"version": 7, "y": str_keys(y)}
            data = response(6, None, written)
            decoded = msgpack_numpy.unpackb(data, raw=True)[3][b"y"]
            assert decoded.dtype == y.dtype and decoded.shape == y.shape and (decoded == y).all()
            v.answer(f"{name} as str", data, 6, None, result)
    y = np.array([[1.5, -2.0]], "<f4")
    written = {"version": 3, "y": str_keys(y)}
    v.answer("the answer in PROTOCOL.md", response(7, None, written), 7, None,
             {"version": 3, "y": y})
    layer = {"name": "1", "type": "batch_norm", "num_batches_tracked": 5,
             "running_mean": np.zeros(3, "<f4"), "running_var": np.ones(3, "<f4"),
             "weight": np.ones(3, "<f4"), "bias": np.zeros(3, "<f4")}
    stats = {"version": 5, "layers": [layer]}
    v.answer("response: stats", response(6, None, stats), 6, None, stats, keys="bin")
    wide = b"\xdc\0\4" + b"\xcc\1" + b"\xce\0\0\0\5" + b"\xc0" + b"\xda\0\4pong"
    v.answer("response: every header in a wider form", wide, 5, None, "pong", canonical=False)


def main():
    v = Vectors()
    for add in (add_envelopes, add_methods, add_arrays, add_bad_envelopes, add_bad_fields,
                add_bad_arrays, add_streams, add_limits, add_responses):
        add(v)
    add_once(v, request, pack)
    text = "".join(json.dumps(row, ensure_ascii=True) + "\n" for row in v.rows)
    if "--check" in sys.argv[1:]:
        if FILE.read_text() != text:
            sys.exit(f"{FILE.name} is not what {pathlib.Path(__file__).name} writes; run it")
        return
    FILE.write_text(text)
    print(f"{len(v.rows)} vectors, {len(text)} bytes")


if __name__ == "__main__":
    main()
