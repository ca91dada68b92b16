# SPDX-License-Identifier: Apache-2.0
"""Vectors of the fields `client` and `seq`, which every mutation takes; see generate.py."""

import numpy as np

X = np.arange(6, dtype="<f4").reshape(2, 3)
LABELS = np.array([1, 0], dtype="<i8")

MUTATIONS = {
    "session.create": {"session": "m", "layers": []},
    "session.delete": {"session": "m"},
    "session.import": {"session": "m", "data": b"\0"},
    "session.convert": {"session": "m", "convention": "keras"},
    "session.copy": {"session": "m", "to": "n"},
    "optimizer.set": {"session": "m"},
    "forward": {"session": "m", "x": X},
    "backward": {"session": "m", "step": 1, "dy": X},
    "step": {"session": "m"},
    "train": {"session": "m", "x": X, "target": LABELS},
    "stats.reset": {"session": "m"},
    "stats.recalibrate": {"session": "m"},
    "stats.freeze": {"session": "m"},
    "stats.thaw": {"session": "m"},
}


def add_once(v, request, pack):
    """`request` and `pack` write bytes, see generate.py."""
    for number, (method, fields) in enumerate(MUTATIONS.items()):
        once = {"client": "trainer-7", "seq": 1 + number * 2**40}
        arrays = any(isinstance(field, np.ndarray) for field in fields.values())
        v.call(f"{method}, once", request(4, method, {**fields, **once}), 4, method, fields,
               keys="bin" if arrays else "str", once=once)
    fields = {"session": "m"}

    def step(name, once, expect, **options):
        v.call(f"step, once: {name}", request(4, "step", {**once, **fields}), 4, "step", fields,
               once=expect, **options)

    step("the greatest seq", {"seq": 2**53, "client": "c"}, {"client": "c", "seq": 2**53})
    step("the longest client", {"client": "é" * 64, "seq": 1}, {"client": "é" * 64, "seq": 1})
    step("the client as bin", {"client": b"c", "seq": 1}, {"client": "c", "seq": 1})
    step("nil for both", {"client": None, "seq": None}, None)
    once = {"client": "c", "seq": 3}
    v.call("step, once: keys as bin",
           request(4, "step", {b"client": b"c", b"seq": 3, b"session": b"m"}), 4, "step", fields,
           keys="bin", once=once)
    v.call("step, once: a notification", pack([2, "step", {**fields, **once}]), None, "step",
           fields, notification=True, once=once)

    def refuse(name, once, *mentions):
        v.refused(f"once: {name}", request(9, "step", {"session": "m", **once}), 9,
                  "BAD_ARGUMENT", *mentions)

    refuse("client alone", {"client": "c"}, "seq: expected with client", "got nothing")
    refuse("seq alone", {"seq": 1}, "client: expected with seq", "got nothing")
    refuse("nil for seq", {"client": "c", "seq": None}, "seq: expected with client", "got nothing")
    refuse("the empty client", {"client": "", "seq": 1}, "client: expected", "1 to 128 bytes")
    refuse("a client of 129 bytes", {"client": "c" * 129, "seq": 1}, "client:", "1 to 128 bytes")
    refuse("a client that is not UTF-8", {"client": b"\xc3(", "seq": 1}, "client:", "UTF-8")
    refuse("a client with a control character", {"client": "a\n", "seq": 1}, "client:", "control")
    refuse("an integer for the client", {"client": 7, "seq": 1}, "client:", "got 7")
    for seq, got in ((0, "0"), (2**53 + 1, "9007199254740993"), (-1, "-1"), (1.0, "the float 1"),
                     ("1", '"1"')):
        refuse(f"{seq!r} for seq", {"client": "c", "seq": seq},
               "seq: expected an integer from 1 to 9007199254740992", f"got {got}")
    for field, pair in (("seq", b"\xa3seq\x01"), ("client", b"\xa6client\xa1c")):
        v.refused(f"once: {field} twice", b"\x94\0\x09\xa4step\x82" + pair + pair, 9,
                  "BAD_ARGUMENT", f"{field}: expected the field once")
