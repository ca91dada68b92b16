# SPDX-License-Identifier: Apache-2.0
"""The code of clients/MIGRATION.md."""

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "clients" / "MIGRATION.md"


def code(fence: str) -> str:
    """All blocks behind that fence, in order, as one program."""
    blocks = re.findall(rf"^```{fence}\n(.*?)^```$", PAGE.read_text(), re.M | re.S)
    assert blocks, fence
    return "\n".join(blocks)
