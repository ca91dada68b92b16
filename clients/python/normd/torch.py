# SPDX-License-Identifier: Apache-2.0
"""PyTorch's models to sessions and back, with the same bits of every parameter and buffer.

    session = normd.torch.from_module(client, "net", module, optimizer=torch.optim.Adam(...))
    module = normd.torch.to_module(session)
    normd.torch.load_into(session, module)
"""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional, Union

import numpy as np

from normd import model_file
from normd.client import Client, Named
from normd.session import Session

try:
    import torch
    from torch import nn
except ImportError as error:  # pragma: no cover - an environment without PyTorch
    raise ImportError("normd.torch needs PyTorch: pip install torch") from error

from normd import torch_layers
from normd.torch_layers import parts_of_module
from normd.torch_optimizers import load_optimizer, optimizer_options, to_optimizer

__all__ = [
    "from_module", "to_module", "load_into", "state_dict", "load_state_dict", "parts_of_module",
    "optimizer_options", "load_optimizer", "to_optimizer",
]


def from_module(
    client: Client,
    name: str,
    module: nn.Module,
    *,
    input: Any = None,
    loss: Optional[Named] = None,
    optimizer: Union[torch.optim.Optimizer, Named, None] = None,
    seed: Optional[int] = None,
    if_exists: Optional[str] = None,
) -> Session:
    """Makes a session of the module's layers, with its parameters and buffers.

    `module` is a layer or a Sequential, with Sequentials inside if need be; `input` is the shape of
    x without the batch axis; an optimizer of torch.optim brings its options and its state.
    """
    parts = parts_of_module(module)
    if not parts:
        raise ValueError("a module without layers makes no session")
    dtypes = {values.dtype for part in parts for values in part.tensors.values()}
    given = optimizer
    if isinstance(optimizer, torch.optim.Optimizer):
        given = optimizer_options(optimizer, module)
    session = client.create(
        name,
        [part.layer for part in parts],
        input=list(input) if isinstance(input, (tuple, torch.Size)) else input,
        loss=loss,
        optimizer=given,  # type: ignore[arg-type]
        convention="pytorch",
        dtype="float64" if np.dtype("f8") in dtypes else "float32",
        seed=seed,
        if_exists=if_exists,
    )
    if any(part.tensors for part in parts):
        session.import_(model_file.write(model_file.tensors_of(parts)), "safetensors")
    if isinstance(optimizer, torch.optim.Optimizer):
        load_optimizer(session, optimizer, module)
    return session


def to_module(session: Session, *, inference: bool = False) -> nn.Sequential:
    """The session as a Sequential: the same layers, the same bits of parameters and buffers.

    What acts in training and PyTorch's modules do not have (virtual batches, renorm, regularizers,
    constraints) is refused; with `inference` it is left out, and the module is in eval mode.
    """
    parts = model_file.parts_of(session, "pytorch")
    description = session.describe("pytorch")
    modules = []
    layers = [part.layer for part in parts]
    for part, rank in zip(parts, torch_layers.ranks(layers, description["input"])):
        if not inference:
            torch_layers.check_training(part.layer)
        module = torch_layers.make_module(part.layer, rank)
        if description["dtype"] == "float64":
            module = module.double()
        own = set(module.state_dict())
        module.load_state_dict({
            name: torch.from_numpy(np.array(values))
            for name, values in part.tensors.items() if name in own
        })
        if part.layer.get("trainable") is False:
            module.requires_grad_(False)
        if part.layer.get("trainable") is False or part.layer.get("frozen_stats"):
            module.eval()
        modules.append(module)
    made = nn.Sequential(*modules)
    return made.eval() if inference else made


def load_into(session: Session, module: nn.Module) -> None:
    """Sets a module's parameters and buffers to the session's: of the one it was made of, say.

    The module may be nested, named and hold layers that do nothing, as from_module takes it; its
    layers with parameters or buffers must be the session's, in their order, else nothing is set.
    """
    parts = model_file.parts_of(session, "pytorch")
    for index, leaf in torch_layers.paired(parts, module):
        tensors = model_file.shared(parts[index])
        leaf.load_state_dict(
            {name: torch.from_numpy(np.array(values)) for name, values in tensors.items()})


def state_dict(session: Session) -> Dict[str, torch.Tensor]:
    """The session's parameters and buffers, named as to_module(session).state_dict() has them."""
    return {
        f"{index}.{name}": torch.from_numpy(np.array(values))
        for index, part in enumerate(model_file.parts_of(session, "pytorch"))
        for name, values in model_file.shared(part).items()
    }


def load_state_dict(
    session: Session, state: Union[Mapping[str, torch.Tensor], nn.Module]
) -> None:
    """Sets the session's parameters and buffers.

    From a module, or from a state_dict whose tensors come in the order of the session's layers,
    whatever their prefixes ("features.0.weight") are. One without num_batches_tracked, as PyTorch
    made them before 0.4.1, leaves the session's counts as they are.
    """
    parts = model_file.parts_of(session, "pytorch")
    if isinstance(state, nn.Module):
        tensors = {
            f"{index}.{name}": torch_layers.to_numpy(values)
            for index, leaf in torch_layers.paired(parts, state)
            for name, values in leaf.state_dict().items()
        }
    else:
        places = [str(index) for index, part in enumerate(parts) if model_file.shared(part)]
        prefixes = list(dict.fromkeys(name.rpartition(".")[0] for name in state))
        if len(prefixes) != len(places):
            raise ValueError(
                f"state_dict: expected tensors of {len(places)} layers, got {len(prefixes)}: "
                + ", ".join(prefixes)
            )
        place = dict(zip(prefixes, places))
        tensors = {
            f"{place[name.rpartition('.')[0]]}.{name.rpartition('.')[2]}":
                torch_layers.to_numpy(value)
            for name, value in state.items()
        }
    session.import_(model_file.write(tensors), "safetensors")
