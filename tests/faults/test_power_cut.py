# SPDX-License-Identifier: Apache-2.0
"""Some power cuts in each mode; `power_cut.py --cuts N` does any number."""

import power_cut
import pytest
from harness.scale import scaled


@pytest.mark.parametrize("fsync", ["always", "everysec", "no"])
def test_a_power_cut_loses_only_what_the_mode_allows(tmp_path, fsync):
    print(power_cut.run(fsync, scaled(20, 5), 1, tmp_path))
