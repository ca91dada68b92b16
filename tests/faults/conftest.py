# SPDX-License-Identifier: Apache-2.0
"""Finds the harness of the black-box tests."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "blackbox"))
