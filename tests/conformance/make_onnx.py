# SPDX-License-Identifier: Apache-2.0
"""The official node tests of BatchNormalization, from the onnx package, as a golden file."""

from __future__ import annotations

from typing import Any, Iterator

import numpy as np
import onnx
from make_common import GoldenFile
from onnx.backend.test.case.node import collect_testcases


def cases() -> Iterator[Any]:
    """Those whose one node is a BatchNormalization."""
    for case in collect_testcases("BatchNormalization"):
        nodes = getattr(case.model, "graph").node if case.model is not None else ()
        if len(nodes) == 1 and nodes[0].op_type == "BatchNormalization":
            yield case


def attributes_of(case: Any) -> dict:
    """The node's attributes."""
    node = case.model.graph.node[0]
    return {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}


def make() -> None:
    """Writes golden/onnx_nodes.npz."""
    golden = GoldenFile("onnx_nodes", {"onnx": onnx.__version__})
    for case in cases():
        for number, (inputs, outputs) in enumerate(case.data_sets):
            key = f"{case.name}/{number}"
            golden.add({
                "name": case.name,
                "opset": case.model.opset_import[0].version,
                "attributes": attributes_of(case),
                "rtol": case.rtol,
                "atol": case.atol,
                "inputs": [golden.keep(f"{key}/i{i}", np.asarray(v)) for i, v in enumerate(inputs)],
                "outputs": [
                    golden.keep(f"{key}/o{i}", np.asarray(v)) for i, v in enumerate(outputs)
                ],
            })
    golden.write()


if __name__ == "__main__":
    make()
