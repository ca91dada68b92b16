# SPDX-License-Identifier: Apache-2.0
"""What a disk may hold after a power cut, of everything that was done to a directory.

Sure are: the bytes and the size of a file that were written before the begin of an fsync or
fdatasync that ended before the cut; each write through an O_DSYNC descriptor that had returned; names
as `Cut.names` says. All else may be there or not, as `Cut.data` says. What a failed fsync was about
is never sure again: the kernel has marked those pages as clean, and no later fsync writes them.
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Optional, Tuple

import recording
from recording import Op

PAGE = 4096
SECTOR = 512


@dataclass(frozen=True)
class Cut:
    """A power cut before call number `at` has ended, and what of the unsure the disk got to.

    data: "none" of it; "all"; "prefix": of each file so many first calls; "pages": any 4 KiB pieces,
    one of them torn within. names: "ordered", as ext4 and XFS keep them: their journal has the order
    of all names, and an fsync of a file also brings its own name; "posix": only an fsync of the
    directory makes a name sure, and each directory has an order of its own.
    """

    at: int
    data: str
    names: str
    seed: int


@dataclass
class Change:
    """One change of a file's bytes or size."""

    index: int
    op: Op
    sure: Optional[int] = None  # the call with which it became sure


@dataclass
class Node:
    """A file, or a directory with the names in it as the program saw them at the end."""

    directory: bool
    content: bytes = b""
    changes: List[Change] = field(default_factory=list)
    unsynced: List[Change] = field(default_factory=list)
    names: Dict[str, Node] = field(default_factory=dict)


@dataclass
class NameChange:
    """One change of names: `folder` has no `name` any more where `gone`, else it names `node`;
    `source` is where a renamed node was."""

    index: int
    folder: Node
    name: str
    node: Node
    gone: bool = False
    source: Optional[Tuple[Node, str]] = None
    sure_posix: Optional[int] = None
    sure_ordered: Optional[int] = None


class Disk:
    """A directory with everything that was done to it; `initial` is what it held before, all of it
    sure."""

    def __init__(self, ops: List[Op], initial: Optional[Path] = None) -> None:
        self.ops = ops
        self.root = _load(initial) if initial is not None else Node(True)
        self.initial_names = _copy_names(self.root)
        self.name_changes: List[NameChange] = []
        self._unsure_names: List[NameChange] = []
        self._handles: Dict[int, Node] = {}
        self._begun: Dict[int, int] = {}
        for index, op in enumerate(ops):
            self._take(index, op)

    # ---- What was done ----

    def _take(self, index: int, op: Op) -> None:
        if op.kind == recording.OPEN:
            self._handles[op.handle] = self._open(index, op)
        elif op.kind in recording.NAMES:
            self._rename(index, op)
        elif op.kind == recording.SYNC_BEGIN:
            self._begun[op.value] = index
        elif op.kind in (recording.SYNC_END, recording.SYNC_FAILED):
            self._synced(index, op, self._begun.pop(op.value))
        else:
            sure = index if op.kind == recording.WRITTEN_DUE else None
            self._change(self._handles[op.handle], Change(index, op, sure))

    @staticmethod
    def _change(node: Node, change: Change) -> None:
        node.changes.append(change)
        if change.sure is None:
            node.unsynced.append(change)

    def _folder(self, path: str) -> Tuple[Node, str]:
        """The directory that a path's last name stands in, and that name."""
        *folders, name = path.split("/")
        node = self.root
        for folder in folders:
            node = node.names[folder]
        return node, name

    def _open(self, index: int, op: Op) -> Node:
        if not op.path:
            return self.root
        folder, name = self._folder(op.path)
        node = folder.names.get(name)
        if node is None:
            node = self._make(index, folder, name, directory=False)
        elif op.value & os.O_TRUNC and not node.directory:
            self._change(node, Change(index, Op(recording.TRUNCATED, op.time, 0, 0, "", b"")))
        return node

    def _make(self, index: int, folder: Node, name: str, directory: bool) -> Node:
        node = Node(directory)
        folder.names[name] = node
        self._name_change(NameChange(index, folder, name, node))
        return node

    def _name_change(self, change: NameChange) -> None:
        self.name_changes.append(change)
        self._unsure_names.append(change)

    def _rename(self, index: int, op: Op) -> None:
        if op.kind == recording.MKDIR:
            if op.path:
                self._make(index, *self._folder(op.path), directory=True)
            return
        old, _, new = op.path.partition("\0")
        folder, name = self._folder(old)
        node = folder.names[name]
        if op.kind in (recording.REMOVED, recording.RMDIR):
            del folder.names[name]
            self._name_change(NameChange(index, folder, name, node, gone=True))
            return
        source = None
        if op.kind == recording.RENAMED:
            del folder.names[name]
            source = (folder, name)
        folder, name = self._folder(new)
        folder.names[name] = node
        self._name_change(NameChange(index, folder, name, node, source=source))

    def _synced(self, index: int, op: Op, begun: int) -> None:
        node = self._handles[op.handle]
        failed = op.kind == recording.SYNC_FAILED
        about = [change for change in node.unsynced if change.index < begun]
        node.unsynced = [change for change in node.unsynced if change.index >= begun]
        for change in about:
            change.sure = None if failed else index
        if not failed:
            self._names_synced(index, node, begun)

    def _names_synced(self, index: int, node: Node, begun: int) -> None:
        last = -1
        for change in self._unsure_names:
            if change.index >= begun:
                break
            own = change.folder is node or (change.source is not None and change.source[0] is node)
            if own and change.sure_posix is None:
                change.sure_posix = index
            if own or (change.node is node and not change.gone):
                last = change.index
        for change in self._unsure_names:
            if change.index <= last and change.sure_ordered is None:
                change.sure_ordered = index
        self._unsure_names = [
            c for c in self._unsure_names if c.sure_posix is None or c.sure_ordered is None
        ]

    # ---- What is left ----

    def after(self, cut: Cut) -> Dict[str, Optional[bytes]]:
        """The files (their bytes) and directories (None) by path."""
        chance = random.Random(cut.seed)
        names = self._names_after(cut, chance)
        tree: Dict[str, Optional[bytes]] = {}

        def walk(folder: Node, prefix: str) -> None:
            for name, node in sorted(names.get(id(folder), {}).items()):
                path = prefix + name
                if node.directory:
                    tree[path] = None
                    walk(node, path + "/")
                else:
                    tree[path] = _content_after(node, cut, chance)

        walk(self.root, "")
        return tree

    def _names_after(self, cut: Cut, chance: random.Random) -> Dict[int, Dict[str, Node]]:
        names = {key: dict(value) for key, value in self.initial_names.items()}
        for change in self._kept_names(cut, chance):
            folder = names.setdefault(id(change.folder), {})
            if change.gone:
                folder.pop(change.name, None)
                continue
            if change.source is not None:
                names.setdefault(id(change.source[0]), {}).pop(change.source[1], None)
            folder[change.name] = change.node
        return names

    def _kept_names(self, cut: Cut, chance: random.Random) -> List[NameChange]:
        done = [change for change in self.name_changes if change.index <= cut.at]
        ordered = cut.names == "ordered"
        groups: Dict[int, List[NameChange]] = {}
        for change in done:
            groups.setdefault(0 if ordered else id(change.folder), []).append(change)
        kept: List[NameChange] = []
        for group in groups.values():
            marks = [c.sure_ordered if ordered else c.sure_posix for c in group]
            sure = [mark is not None and mark < cut.at for mark in marks]
            least = len(sure) - sure[::-1].index(True) if True in sure else 0
            kept += group[: _so_many(cut.data, least, len(group), chance)]
        return sorted(kept, key=lambda change: change.index)

    def write(self, cut: Cut, target: Path) -> None:
        """Makes the directory that the cut leaves."""
        target.mkdir(parents=True)
        for path, content in self.after(cut).items():
            if content is None:
                (target / path).mkdir()
            else:
                (target / path).write_bytes(content)


def _so_many(data: str, least: int, most: int, chance: random.Random) -> int:
    """How many first changes there are."""
    if data == "none":
        return least
    return most if data == "all" else chance.randint(least, most)


def _content_after(node: Node, cut: Cut, chance: random.Random) -> bytes:
    content = bytearray(node.content)
    done = [
        change for change in node.changes
        if change.index < cut.at or (change.index == cut.at and change.op.kind in recording.WRITES)
    ]
    unsure = [c for c in done if c.sure is None or c.sure >= cut.at]
    if cut.data == "pages":
        keep = _pick_pages(unsure, chance)
    else:
        count = _so_many(cut.data, 0, len(unsure), chance)
        keep = {change.index: _whole(change) for change in unsure[:count]}
    unsure_indexes = {change.index for change in unsure}
    for change in done:
        pieces = keep.get(change.index, []) if change.index in unsure_indexes else _whole(change)
        for begin, end in pieces:
            _apply(content, change.op, begin, end)
    return bytes(content)


def _whole(change: Change) -> List[Tuple[int, int]]:
    return [(0, len(change.op.data))]


def _apply(content: bytearray, op: Op, begin: int, end: int) -> None:
    """Puts a change, of a write the bytes from `begin` to `end`, into a file's content."""
    if op.kind == recording.TRUNCATED:
        del content[op.value :]
    if op.kind in (recording.TRUNCATED, recording.EXTENDED):
        content.extend(bytes(max(0, op.value - len(content))))
    else:
        at = op.value + begin
        content.extend(bytes(max(0, at - len(content))))
        content[at : at + end - begin] = op.data[begin:end]


def _pick_pages(unsure: List[Change], chance: random.Random) -> Dict[int, List[Tuple[int, int]]]:
    """Any pieces of the writes. A change of the size is in the file system's journal before whatever
    comes after it: where that is lost, so is the rest."""
    share = chance.choice([0.1, 0.5, 0.9])
    keep: Dict[int, List[Tuple[int, int]]] = {}
    for change in unsure:
        if change.op.kind not in recording.WRITES:
            if chance.random() >= share:
                break
            keep[change.index] = _whole(change)
            continue
        pieces = [piece for piece in _pieces(change.op) if chance.random() < share]
        if pieces and chance.random() < 0.3:
            torn = chance.randrange(len(pieces))
            begin, end = pieces[torn]
            pieces[torn] = (begin, begin + chance.randrange(0, end - begin, SECTOR))
        keep[change.index] = pieces
    return keep


def _pieces(op: Op) -> List[Tuple[int, int]]:
    """A write cut at the page borders of its file."""
    end = len(op.data)
    borders = [0, *range(PAGE - op.value % PAGE, end, PAGE), end]
    return list(zip(borders, borders[1:]))


def _load(path: Path) -> Node:
    if path.is_dir():
        return Node(True, names={child.name: _load(child) for child in path.iterdir()})
    return Node(False, content=path.read_bytes())


def _copy_names(node: Node) -> Dict[int, Dict[str, Node]]:
    names = {id(node): dict(node.names)} if node.directory else {}
    for child in node.names.values():
        names.update(_copy_names(child))
    return names


def differences(disk: Disk, directory: Path) -> List[str]:
    """Where the real directory is not what the recorded calls make of it: then something reached it
    past the library, and no cut would mean anything. A lock file that is mapped is no data."""
    made = disk.after(Cut(len(disk.ops), "all", "ordered", 0))
    real = {
        str(path.relative_to(directory)): None if path.is_dir() else path.read_bytes()
        for path in directory.rglob("*") if path.name != "lock.mdb"
    }
    made.pop("base/lock.mdb", None)
    return [
        path for path in sorted(made.keys() | real.keys())
        if path not in made or path not in real or made[path] != real[path]
    ]
