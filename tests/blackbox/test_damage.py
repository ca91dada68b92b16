# SPDX-License-Identifier: Apache-2.0
"""Damaged data directories: each is refused, by a check and by a start, with what is damaged and how
to go on; nothing of it is served, and nothing ends by a signal.

The damage is done to the store of stores/v1, which an earlier daemon wrote: it pins the format, so
that what comes later is held to reading it. make_store_fixtures.py says what is in it.
"""

import json
import os
import random
import re
import shutil
import struct
from pathlib import Path

import pytest
from harness import store_bytes
from harness.daemon import Daemon
from harness.scale import scaled
from harness.store import check, digest, files_of, start_that_fails
from harness.store_bytes import MARKER, Base, flip

STORE = Path(__file__).resolve().parent / "stores" / "v1"
EXPECTED = json.loads(STORE.with_suffix(".json").read_text("ascii"))

# The store was written on another machine; what is done again in it has the same bits on each.
ANY = ("--accept-numerics", "yes")

GO_ON = re.compile(r"restore the directory from a copy|go on with a copy|use that one|use the normd|"
                   r"move it out of the directory|expected an? (empty )?directory|"
                   r"expected the directory of a store")

HEAD, MADE, ANSWER, DESCRIPTION, SIZES, CHUNK, REQUEST, ARRAY, COMPLETE = range(1, 10)
STATE_RECORD, REQUEST_RECORD, DELETED_RECORD = range(1, 4)


@pytest.fixture
def store(tmp_path):
    copy = tmp_path / "store"
    shutil.copytree(STORE, copy)
    return copy


def read(directory):
    """Sessions and clients as a daemon on the directory has them."""
    with Daemon("--data-dir", str(directory), *ANY) as daemon, daemon.connect() as rpc:
        sessions = {}
        for name in rpc.call("session.list")["sessions"]:
            about = rpc.call("session.describe", session=name)
            sessions[name] = {key: about[key] for key in ("version", "steps")}
            sessions[name]["sha256"] = digest(rpc, name)
        clients = {}
        for name in EXPECTED["clients"]:
            with daemon.connect() as other:
                clients[name] = other.call("hello", client=name)["seq"]
        return {"sessions": sessions, "clients": clients}, "".join(daemon.log)


def is_refused(directory, *says):
    """By a check, which changes nothing; by a start; and by a check after it."""
    before = files_of(directory)
    for attempt in (check, start_that_fails, check):
        done = attempt(directory, *ANY)
        assert done.returncode == 1, (attempt, done)
        assert "listening" not in done.stderr and "whole:" not in done.stdout
        assert GO_ON.search(done.stderr), done.stderr
        for words in says:
            assert words in done.stderr, (attempt, words, done.stderr)
        if before is not None:
            assert files_of(directory) == before
            before = None


# ---- The store as it is ----


def test_the_store_of_format_1_is_read_to_its_bits(store):
    done = check(store, *ANY)
    assert done.returncode == 0, done.stderr
    for name, about in EXPECTED["sessions"].items():
        start = f"session {name}: version {about['version']}, {about['steps']} optimizer steps, "
        assert start in done.stdout
    found, log = read(store)
    assert found == EXPECTED and "cut off" not in log
    # The stop wrote a checkpoint: now everything comes from the base.
    assert read(store)[0] == EXPECTED


def test_the_fixture_has_every_kind_of_record_and_row():
    records = list(store_bytes.records(STORE))
    kinds = {path.read_bytes()[items[0].offset] for path, _, items in records}
    assert kinds == {STATE_RECORD, REQUEST_RECORD, DELETED_RECORD}
    assert {item.tag for _, _, items in records for item in items} == set(range(HEAD, COMPLETE + 1))
    base = Base(STORE)
    assert {row.table for row in base.rows} == set(store_bytes.TABLES) and base.branches
    whats = {row.key[8] for row in base.rows if row.table == "state"}
    assert whats == {0, 1, 2, 3, 4, 0x70, 0x80}
    assert len(store_bytes.segments(STORE)) == 2


# ---- Flipped bits in the journal ----


@pytest.mark.parametrize("segment", [0, 1], ids=["sealed", "last"])
@pytest.mark.parametrize("offset", [0, 9, 13, 17, 25, 45],
                         ids=["magic", "version", "salt", "number", "record", "checksum"])
def test_a_bit_in_the_header_of_a_segment(store, segment, offset):
    path = store_bytes.segments(store)[segment]
    flip(path, offset)
    is_refused(store, f"{store}/journal/{path.name}: offset 0: expected a segment's header")


@pytest.mark.parametrize("index", range(7))
@pytest.mark.parametrize("offset", [0, 4, 8, 15, 16, 24, 32, 36],
                         ids=["magic", "kind", "size", "great-size", "number", "synced",
                              "checksum-of-payload", "checksum"])
def test_a_bit_in_the_header_of_a_frame(store, index, offset):
    path, frame, _ = list(store_bytes.records(store))[index]
    flip(path, frame.offset + offset)
    is_refused(store, f"{store}/journal/{path.name}: offset {frame.offset}: expected ")


def places_in_records():
    """One of each kind: the record's kind, the item's tag, and where."""
    found = {}
    for index, (path, _, items) in enumerate(store_bytes.records(STORE)):
        kind = path.read_bytes()[items[0].offset]
        for place, item in enumerate(items):
            found.setdefault((kind, item.tag), (index, place))
    return found


NAMES = {STATE_RECORD: "state", REQUEST_RECORD: "request", DELETED_RECORD: "deleted", HEAD: "head"}


@pytest.mark.parametrize("kind, tag", sorted(places_in_records()))
def test_a_bit_in_the_payload_of_each_kind_of_record(store, kind, tag):
    index, place = places_in_records()[kind, tag]
    path, frame, items = list(store_bytes.records(store))[index]
    # In the body; in the tag's length where there is no body.
    flip(path, items[place].offset + (items[place].size // 2 if items[place].size else -1), bit=3)
    is_refused(store, f"{store}/journal/{path.name}: offset {frame.offset}: expected a payload with "
                      "its frame's checksum", f"truncate -s {frame.offset}")


# ---- A cut journal ----


def last_record(store):
    """The last segment without its marker: nothing vouches for its last record then."""
    path = store_bytes.segments(store)[-1]
    marker = store_bytes.frames(path)[-1]
    assert marker.kind == MARKER
    os.truncate(path, marker.offset)
    return path, store_bytes.frames(path)[-1]


@pytest.mark.parametrize("where", ["in the header", "behind the header", "in the payload",
                                   "before the last byte", "a bit"])
def test_a_torn_tail_is_cut_off_and_said(store, where):
    path, frame = last_record(store)
    ends = {"in the header": frame.offset + 20, "behind the header": frame.payload,
            "in the payload": frame.payload + 100, "before the last byte": frame.end - 1}
    if where == "a bit":
        flip(path, frame.payload + 7)
    else:
        os.truncate(path, ends[where])
    lost = path.stat().st_size - frame.offset
    before = files_of(store)
    done = check(store, *ANY)
    assert done.returncode == 0 and files_of(store) == before
    assert f"journal: {lost} bytes at its end were never written whole" in done.stdout
    found, log = read(store)
    assert f"journal/{path.name}: offset {frame.offset}: cut off {lost} bytes" in log
    # The last record was the last step of "adam", with its number.
    assert found["sessions"]["adam"]["version"] == EXPECTED["sessions"]["adam"]["version"] - 1
    assert found["clients"]["alpha"] == EXPECTED["clients"]["alpha"] - 1
    for name in ("exact", "made"):
        assert found["sessions"][name] == EXPECTED["sessions"][name]


def test_a_marker_that_is_torn_costs_nothing(store):
    path = store_bytes.segments(store)[-1]
    flip(path, store_bytes.frames(path)[-1].offset + 20)
    assert read(store)[0] == EXPECTED


def test_a_last_segment_that_was_being_made_is_removed_and_said(store):
    path = store_bytes.segments(store)[-1]
    new = path.with_name("000000000005.log")
    new.write_bytes(path.read_bytes()[:30])
    assert check(store, *ANY).returncode == 0
    found, log = read(store)
    assert found == EXPECTED and f"journal/{new.name}: removed" in log


@pytest.mark.parametrize("size", ["nothing", "header", "half", "one byte less"])
def test_a_sealed_segment_that_was_cut_is_damage(store, size):
    path = store_bytes.segments(store)[0]
    whole = path.stat().st_size
    os.truncate(path, {"nothing": 0, "header": 48, "half": whole // 2}.get(size, whole - 1))
    is_refused(store, f"{store}/journal/{path.name}: offset ")


def test_a_missing_segment_is_named(store):
    path = store_bytes.segments(store)[0]
    path.unlink()
    is_refused(store, f"{store}/journal/{path.name}: ", "expected this segment, got none")


def test_a_journal_that_was_taken_away_is_missed(store):
    for path in store_bytes.segments(store):
        path.unlink()
    is_refused(store, f"{store}/journal/000000000003.log: expected this segment, got none at all")


def test_a_missing_folder_of_the_journal_is_named(store):
    shutil.rmtree(store / "journal")
    is_refused(store, f"{store}/journal: No such file")


# ---- Records that are whole and cannot be ----


def edit(store, index, place, offset, data):
    """Other bytes in the body of an item, under right checksums."""
    path, frame, items = list(store_bytes.records(store))[index]
    content = bytearray(path.read_bytes())
    at = items[place].offset + offset
    content[at : at + len(data)] = data
    path.write_bytes(content)
    store_bytes.seal_again(path, frame)
    return f"{store}/journal/{path.name}: offset {frame.offset}: "


def u64(value):
    return struct.pack("<Q", value)


def test_an_edit_that_changes_nothing_is_no_damage(store):
    edit(store, 0, 0, 0, b"")
    assert read(store)[0] == EXPECTED


@pytest.mark.parametrize("index, place, offset, data, says", [
    (2, 0, 9, u64(9), "a record is missing (session 1, record 9)"),
    (2, 0, 17, u64(1), "its version is older than the one before it"),
    (2, 0, 1, u64(77), "a session that there is not (session 77"),
    (5, 0, 17, u64(70), "doing record 4 of it again came out otherwise than before: the version"),
    (5, 2, 13, struct.pack("<d", 1e9), "the loss was 1000000000, and is"),
], ids=["order", "version", "session", "version-of-a-request", "loss-of-a-request"])
def test_a_record_that_does_not_fit_is_named_with_its_place(
    store, index, place, offset, data, says
):
    is_refused(store, edit(store, index, place, offset, data), says)


def test_two_sessions_of_one_name(store):
    path, frame, items = next(store_bytes.records(store))
    assert items[1].tag == MADE
    content = bytearray(path.read_bytes())
    base = Base(store).row("sessions", (3).to_bytes(8, "big"))
    assert b"gone" in Base(store).data[base.offset : base.offset + base.size]
    at = items[1].offset + items[1].size - 4
    assert content[at : at + 4] == b"made"
    content[at : at + 4] = b"gone"
    path.write_bytes(content)
    store_bytes.seal_again(path, frame)
    # The record that deletes the first one of that name is left out.
    os.truncate(store_bytes.segments(store)[1], 48)
    is_refused(store, "both have the name \"gone\"")


@pytest.mark.parametrize("field, value", [("method", 999), ("session", 10**6), ("step", 1 << 40)])
def test_an_answer_of_a_retry_that_there_cannot_have_been(store, field, value):
    index, place = places_in_records()[REQUEST_RECORD, ANSWER]
    forward = next(i for i, (_, _, items) in enumerate(store_bytes.records(store))
                   if [item.tag for item in items].count(ARRAY) == 1)
    size = struct.unpack("<I", slice_of(store, forward, 1, 0, 4))[0]
    # client (text), seq, hash, method, session, step
    at = {"method": 4 + size + 16, "session": 4 + size + 20, "step": 4 + size + 28}[field]
    data = struct.pack("<I", value) if field == "method" else u64(value)
    edit(store, forward, 1, at, data)
    is_refused(store, "client \"alpha\": the answer of its number 10 is damaged", f"{field} {value}")


def slice_of(store, index, place, offset, size):
    path, _, items = list(store_bytes.records(store))[index]
    at = items[place].offset + offset
    return path.read_bytes()[at : at + size]


# ---- The base ----


ROWS = {
    "own": ("own", b""), "last-id": ("meta", b"last id"), "numerics": ("meta", b"numerics"),
    "session": ("sessions", b""), "client": ("clients", b"alpha"),
    "parameters": ("state", bytes(7) + b"\x01\x00"), "statistics": ("state", bytes(7) + b"\x01\x01"),
    "slots": ("state", bytes(7) + b"\x01\x02"), "accumulated": ("state", bytes(7) + b"\x01\x03"),
    "recalibration": ("state", bytes(7) + b"\x01\x04"),
    "second-chunk": ("state", bytes(7) + b"\x02\x00" + bytes(7) + b"\x01"),
    "description": ("state", bytes(7) + b"\x01\x70"), "kept-step": ("state", bytes(7) + b"\x01\x80"),
}


@pytest.mark.parametrize("place", ["first", "middle", "checksum"])
@pytest.mark.parametrize("row", sorted(ROWS))
def test_a_bit_in_each_kind_of_row(store, row, place):
    found = Base(store).row(*ROWS[row])
    at = {"first": 0, "middle": found.size // 2, "checksum": found.size - 1}[place]
    flip(store / "base" / "data.mdb", found.offset + at, bit=5)
    is_refused(store, f"{store}/base/data.mdb is damaged (")


@pytest.mark.parametrize("offset, bit", [(16, 3), (20, 1), (128, 1), (136, 5)],
                         ids=["magic", "version", "root", "last-page"])
def test_a_bit_in_the_newest_first_page(store, offset, bit):
    path = store / "base" / "data.mdb"
    flip(path, Base(store).newest + offset, bit)
    is_refused(store, f"{path}")


def test_bits_in_a_branch_page(store):
    base = Base(store)
    page = base.branches[0]
    (node,) = struct.unpack_from("<H", base.data, page + 18)
    path = store / "base" / "data.mdb"
    whole = path.read_bytes()
    # The number of the child's page, a byte of the key, where the node lies, the page's own number.
    for offset in (node, node + 8 + 3, 18, 0):
        path.write_bytes(whole)
        flip(path, page + offset)
        is_refused(store, f"{path} is damaged (")


@pytest.mark.parametrize("pages", [0, 1, 2, 3, 8, 20])
def test_a_cut_or_empty_base(store, pages):
    path = store / "base" / "data.mdb"
    os.truncate(path, pages * store_bytes.PAGE)
    is_refused(store, f"{path}")


def test_a_missing_base_is_named(store):
    (store / "base" / "data.mdb").unlink()
    is_refused(store, f"{store}/base/data.mdb is missing")


def test_a_base_that_is_something_else(store):
    (store / "base" / "data.mdb").write_bytes(b"a letter\n" * 2000)
    is_refused(store, f"{store}/base/data.mdb is damaged")


# ---- The directory ----


@pytest.mark.parametrize("text, says", [
    ("", "expected the line \"normd store 1\", got something else"),
    ("normd store 2\n", "expected a store of version 1, got version 2, which a newer normd wrote"),
    ("normd stose 1\n", "expected the line \"normd store 1\", got something else"),
], ids=["empty", "newer", "a bit"])
def test_the_format_file(store, text, says):
    (store / "format").write_text(text, encoding="ascii")
    is_refused(store, f"{store}/format: {says}")


def test_a_store_without_its_format_file(store):
    (store / "format").unlink()
    is_refused(store, "format\"")


@pytest.mark.parametrize("name", ["journal/000000000003.log.old", "journal/letter", "base/data.old"])
def test_a_foreign_file_among_those_of_the_store(store, name):
    (store / name).write_text("dear", encoding="ascii")
    is_refused(store, f"{store}/{name}: expected files of the store only")


def test_a_foreign_file_beside_those_of_the_store_is_let_pass(store):
    (store / "letter").write_text("dear", encoding="ascii")
    assert read(store)[0] == EXPECTED
    assert (store / "letter").read_text("ascii") == "dear"


def test_a_directory_of_something_else(tmp_path):
    (tmp_path / "letter").write_text("dear", encoding="ascii")
    is_refused(tmp_path, "one without a file \"format\" in which \"letter\" is")
    assert os.listdir(tmp_path) == ["letter"]


# ---- Anywhere ----


def what_is_there(done):
    return [line for line in done.stdout.splitlines() if line.startswith(("session ", "clients: "))]


@pytest.mark.parametrize("seed", range(4))
def test_bits_anywhere_are_refused_or_change_nothing(store, seed):
    whole = what_is_there(check(store, *ANY))
    chance = random.Random(seed)
    for _ in range(scaled(25)):
        path = chance.choice([store / "base" / "data.mdb", *store_bytes.segments(store)])
        before = path.read_bytes()
        for _ in range(chance.choice((1, 1, 2, 4))):
            flip(path, chance.randrange(len(before)), chance.randrange(8))
        done = check(store, *ANY)
        path.write_bytes(before)
        if done.returncode == 0:
            # A free page; or the last record with the marker that vouches for it, which looks as a
            # crash does, and is said.
            assert what_is_there(done) == whole or "never written whole" in done.stdout, done
        else:
            assert done.returncode == 1 and GO_ON.search(done.stderr), done


# ---- Two at once ----


def test_a_bit_in_the_journal_and_one_in_the_base(store):
    path, _, items = next(store_bytes.records(store))
    flip(path, items[-1].offset)
    flip(store / "base" / "data.mdb", Base(store).row("clients", b"beta").offset)
    is_refused(store, f"{store}/base/data.mdb is damaged (")


def test_two_bits_in_one_payload(store):
    path, frame, items = list(store_bytes.records(store))[-1]
    flip(path, items[-1].offset, 0)
    flip(path, items[-1].offset + items[-1].size - 1, 7)
    is_refused(store, f"{store}/journal/{path.name}: offset {frame.offset}: expected a payload")


def test_two_bits_in_one_row(store):
    row = Base(store).row(*ROWS["slots"])
    flip(store / "base" / "data.mdb", row.offset + 1, 0)
    flip(store / "base" / "data.mdb", row.offset + 100, 0)
    is_refused(store, f"{store}/base/data.mdb is damaged (")
