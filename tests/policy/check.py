#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the tree to the rules of the house; prints each breach and exits 1 when there is one.

    check.py [TREE]

What is held: which box may include what (and which system headers), no circle among folders, at
most 500 lines a file and 60 a function, an SPDX line in every source, a README in every folder of
sources.
"""

import re
import sys
from pathlib import Path

MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 60

# A box: the folders that make it, the include paths it may use from the tree, and what it may not
# use of the system. The first match decides, so inner boxes stand before outer ones.
NETWORK = {"uv.h", "sys/socket.h", "netinet/in.h", "netdb.h", "sys/un.h", "poll.h", "sys/epoll.h"}
FILES = {"fcntl.h", "sys/stat.h", "dirent.h", "lmdb.h", "sys/mman.h"}
CLOCKS = {"time.h", "sys/time.h"}
BOXES = [
    ("lib/base", ["lib/base/"], NETWORK | FILES | CLOCKS | {"msgpack.h", "jansson.h", "pthread.h"}),
    # Large buffers come straight from the system.
    ("lib/memory", ["lib/"], (NETWORK | FILES | CLOCKS | {"msgpack.h"}) - {"sys/mman.h"}),
    ("lib", ["lib/"], NETWORK | FILES | CLOCKS | {"msgpack.h"}),
    ("protocol", ["lib/base/", "protocol/"], NETWORK | FILES | CLOCKS | {"jansson.h", "pthread.h"}),
    # What is stored means nothing to the store; its files are its own.
    ("daemon/store", ["lib/base/", "daemon/store/"], NETWORK | {"msgpack.h", "jansson.h"}),
    ("daemon", ["lib/", "protocol/", "daemon/"], set()),
    ("clients", ["lib/base/", "protocol/", "clients/"], {"uv.h"}),
    ("tests", [""], set()),
]
# What reaches outside without a header of its own.
CALLS_REFUSED = {
    "lib": re.compile(r"\b(fopen|open|socket|clock_gettime|gettimeofday|time)\s*\("),
    "protocol": re.compile(r"\b(fopen|open|read|write|socket|clock_gettime)\s*\("),
}

SOURCE_SUFFIXES = {".c", ".h", ".py", ".sh"}
SKIPPED = {".git", ".cache", "__pycache__", ".pytest_cache"}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)
COMMENT = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', re.DOTALL)


def sources(tree):
    """Every source file, as a path from the top."""
    for path in sorted(tree.rglob("*")):
        parts = path.relative_to(tree).parts
        if any(part in SKIPPED or part.startswith("build") for part in parts[:-1]):
            continue
        if path.suffix in SOURCE_SUFFIXES and path.is_file():
            yield path.relative_to(tree)


def box_of(path):
    for box in BOXES:
        if path.as_posix().startswith(box[0] + "/"):
            return box
    return None


def check_includes(path, text):
    """What a C file includes or calls against the rules of its box."""
    box = box_of(path)
    if box is None:
        return
    name, allowed, refused = box
    for kind, target in INCLUDE.findall(text):
        if kind == '"':
            if target.startswith(".") or "/" not in target:
                yield f'{path}: includes "{target}": write its path from the top of the tree'
            elif not any(target.startswith(prefix) for prefix in allowed):
                yield f'{path}: the box {name} may not include "{target}"'
        elif target in refused:
            yield f"{path}: the box {name} may not include <{target}>"
    calls = CALLS_REFUSED.get(name)
    if calls:
        bare = COMMENT.sub(" ", text)
        for match in calls.finditer(bare):
            yield f"{path}: the box {name} may not call {match.group(1)}()"


def check_lengths(path, text):
    lines = text.splitlines()
    if len(lines) > MAX_FILE_LINES:
        yield f"{path}: {len(lines)} lines; {MAX_FILE_LINES} are allowed"
    if path.suffix in {".c", ".h"}:
        yield from check_functions(path, lines)


def is_signature(line):
    return bool(line.strip()) and line[0] not in "#}/" and not line.lstrip().startswith("*")


def check_functions(path, lines):
    """A function is what stands between a brace in the first column and the next closing one; its
    signature is the lines above it, up to a blank line, a brace or a directive."""
    opened = None
    for number, line in enumerate(lines):
        if line == "{":
            opened = number
            while opened > 0 and is_signature(lines[opened - 1]):
                opened -= 1
        elif line.startswith("}") and opened is not None:
            length = number - opened + 1
            if length > MAX_FUNCTION_LINES:
                yield (f"{path}:{opened + 1}: a function of {length} lines; "
                       f"{MAX_FUNCTION_LINES} are allowed")
            opened = None


def check_spdx(path, text):
    if "SPDX-License-Identifier: Apache-2.0" not in "\n".join(text.splitlines()[:3]):
        yield f"{path}: no SPDX line at its start"


def check_readmes(tree, paths):
    for folder in sorted({path.parent for path in paths}):
        top = folder.parts[0] if folder.parts else ""
        if top not in {"lib", "protocol", "daemon", "clients", "tests"}:
            continue
        if not any((tree / parent / "README.md").is_file()
                   for parent in (folder, *folder.parents[:-1]) if parent.parts[:1] == (top,)):
            yield f"{folder}: no README.md here or above"
        elif top != "tests" and not (tree / folder / "README.md").is_file():
            yield f"{folder}: no README.md"


def check_circles(includes):
    """No circle among the folders: `includes` maps a folder to the folders it includes from."""
    done, walking = set(), []

    def visit(folder):
        if folder in walking:
            yield "a circle of includes: " + " -> ".join([*walking[walking.index(folder):], folder])
        elif folder not in done:
            walking.append(folder)
            for other in sorted(includes.get(folder, ())):
                yield from visit(other)
            walking.pop()
            done.add(folder)

    for folder in sorted(includes):
        yield from visit(folder)


def check(tree):
    paths = list(sources(tree))
    includes = {}
    for path in paths:
        text = (tree / path).read_text(encoding="utf-8", errors="replace")
        yield from check_spdx(path, text)
        yield from check_lengths(path, text)
        if path.suffix in {".c", ".h"}:
            yield from check_includes(path, text)
            if path.parts[0] != "tests":
                folder = path.parent.as_posix()
                others = {Path(target).parent.as_posix()
                          for kind, target in INCLUDE.findall(text) if kind == '"'}
                includes.setdefault(folder, set()).update(others - {folder})
    yield from check_readmes(tree, paths)
    yield from check_circles(includes)


def main():
    tree = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[2]).resolve()
    breaches = list(dict.fromkeys(check(tree)))
    for breach in breaches:
        print(breach)
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
