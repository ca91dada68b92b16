# SPDX-License-Identifier: Apache-2.0
"""The policy check on this tree, and on small trees that break one rule each."""

import subprocess
import sys
from pathlib import Path

import pytest

CHECK = Path(__file__).with_name("check.py")
TREE = Path(__file__).parents[2]
SPDX = "// SPDX-License-Identifier: Apache-2.0\n"


def run(tree):
    done = subprocess.run([sys.executable, CHECK, tree], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def plant(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        (path.parent / "README.md").write_text("A folder.\n")
        path.write_text(text)


def test_this_tree_keeps_the_rules():
    code, output = run(TREE)
    assert (code, output) == (0, "")


def test_a_tree_without_breaches_passes(tmp_path):
    plant(tmp_path, {"lib/pool/pool.c": SPDX + '#include "lib/base/error.h"\n#include <pthread.h>\n',
                     "daemon/main.c": SPDX + '#include <uv.h>\n#include "lib/pool/pool.h"\n'})
    assert run(tmp_path) == (0, "")


@pytest.mark.parametrize("name, text, says", [
    ("lib/pool/pool.c", '#include "protocol/frame.h"\n', 'the box lib may not include "protocol/frame.h"'),
    ("lib/pool/pool.c", "#include <uv.h>\n", "the box lib may not include <uv.h>"),
    ("lib/pool/pool.c", "int f(void)\n{\n    return open(0);\n}\n", "the box lib may not call open()"),
    ("lib/base/error.c", '#include "lib/pool/pool.h"\n', 'the box lib/base may not include "lib/pool/pool.h"'),
    ("protocol/frame.c", '#include "lib/session/session.h"\n', "the box protocol may not include"),
    ("protocol/frame.c", "#include <sys/socket.h>\n", "the box protocol may not include <sys/socket.h>"),
    ("clients/c/client.c", '#include "lib/session/session.h"\n', "the box clients may not include"),
    ("clients/cli/main.c", '#include "daemon/server.h"\n', "the box clients may not include"),
    ("daemon/store/store.c", '#include "daemon/server.h"\n', "the box daemon/store may not include"),
    ("daemon/store/store.c", '#include "lib/session/session.h"\n', "the box daemon/store may not include"),
    ("daemon/server.c", '#include "clients/c/client.h"\n', "the box daemon may not include"),
    ("daemon/server.c", '#include "../lib/pool/pool.h"\n', "write its path from the top"),
    ("daemon/long.c", "int x;\n" * 500, "501 lines; 500 are allowed"),
    ("daemon/long.c", "static int f(\n    int x)\n{\n" + "    x++;\n" * 57 + "}\n", "a function of 61 lines"),
])
def test_a_breach_is_named(tmp_path, name, text, says):
    plant(tmp_path, {name: SPDX + text})
    code, output = run(tmp_path)
    assert code == 1
    assert name in output
    assert says in output


def test_a_function_of_sixty_lines_passes(tmp_path):
    body = "static int f(\n    int x)\n{\n" + "    x++;\n" * 56 + "}\n"
    plant(tmp_path, {"daemon/just.c": SPDX + body})
    assert run(tmp_path) == (0, "")


def test_a_circle_of_folders_is_named(tmp_path):
    plant(tmp_path, {"lib/a/a.h": SPDX + '#include "lib/b/b.h"\n',
                     "lib/b/b.h": SPDX + '#include "lib/a/a.h"\n'})
    code, output = run(tmp_path)
    assert code == 1
    assert "a circle of includes: lib/a -> lib/b -> lib/a" in output


def test_a_source_without_spdx_or_a_folder_without_readme_is_named(tmp_path):
    (tmp_path / "lib" / "a").mkdir(parents=True)
    (tmp_path / "lib" / "a" / "a.c").write_text("int x;\n")
    code, output = run(tmp_path)
    assert code == 1
    assert "lib/a/a.c: no SPDX line" in output
    assert "lib/a: no README.md" in output
