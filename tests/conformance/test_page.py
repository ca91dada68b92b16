# SPDX-License-Identifier: Apache-2.0
"""What clients/MIGRATION.md says is run; here the part that needs no framework."""

import sys
from pathlib import Path

import page
import pytest
from harness.daemon import Daemon

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "clients" / "python"))

normd = pytest.importorskip("normd")


def test_the_example_with_files_runs_as_it_stands():
    with Daemon() as daemon:
        exec(page.code("python no framework"), {"PORT": daemon.port})


@pytest.mark.parametrize("name", ["torch", "keras", "onnx"])
def test_a_framework_that_is_missing_is_asked_for(name):
    if name in sys.modules:
        pytest.skip(f"{name} is here")
    try:
        __import__(name)
    except ImportError:
        with pytest.raises(ImportError, match=rf"normd\.{name} needs .*pip install"):
            getattr(normd, name)
    else:
        pytest.skip(f"{name} is here")
