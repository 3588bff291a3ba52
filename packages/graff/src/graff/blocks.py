"""The blocks of a model and the graph between them.

A block is one adapted module (its LoRA matrices together), or any module of a model without adapters that owns
trainable parameters. Blocks of one layer are connected with each other, and a block is connected with the block of
the same role in the next layer, so that the graph is a chain over depth.
"""

import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

_ADAPTER = re.compile(r"\.(lora_|ia3_|adapter|hada_|oft_|vera_)")
# What torch.compile, activation checkpointing and FSDP call the module that they wrap, wherever it is in the model.
_WRAPPERS = {"_orig_mod", "_checkpoint_wrapped_module", "_fsdp_wrapped_module"}


@dataclass(frozen=True)
class Blocks:
    """The nodes of the planner's graph and which trainable tensor belongs to which.

    Attributes
    ----------
    names
        One name per block, in model order; length N.
    owner
        For every trainable tensor of the optimizer, in its order, the index of its block.
    edges
        Undirected edges between blocks as pairs ``(i, j)`` with ``i < j``.
    """

    names: tuple[str, ...]
    owner: tuple[int, ...]
    edges: tuple[tuple[int, int], ...]

    def adjacency(self) -> Tensor:
        """Return the row-normalised adjacency, shape (N, N): row i averages over the neighbours of block i."""
        matrix = torch.zeros(len(self.names), len(self.names))
        for i, j in self.edges:
            matrix[i, j] = matrix[j, i] = 1.0
        return matrix / matrix.sum(1, keepdim=True).clamp(min=1.0)


def _block_name(parameter_name: str) -> str:
    parts = [part for part in parameter_name.split(".") if part not in _WRAPPERS]
    while len(parts) > 1 and parts[0] == "module":  # data parallelism, around the whole model
        parts = parts[1:]
    parameter_name = ".".join(parts)
    adapter = _ADAPTER.search(parameter_name)
    if adapter:
        return parameter_name[: adapter.start()]
    return parameter_name.rpartition(".")[0] or parameter_name


def _layer_and_role(block_name: str) -> tuple[str, str]:
    """Split ``model.layers.3.attn.q`` into its layer ``model.layers.3`` and its role ``attn.q``."""
    parts = block_name.split(".")
    for position, part in enumerate(parts):
        if part.isdigit():
            return ".".join(parts[: position + 1]), ".".join(parts[position + 1 :])
    return block_name, ""


def _edges(names: tuple[str, ...]) -> tuple[tuple[int, int], ...]:
    layers: dict[str, dict[str, int]] = {}
    for index, name in enumerate(names):
        layer, role = _layer_and_role(name)
        layers.setdefault(layer, {})[role] = index
    edges: set[tuple[int, int]] = set()
    for members in layers.values():
        indices = sorted(members.values())
        edges.update((i, j) for k, i in enumerate(indices) for j in indices[k + 1 :])
    order = list(layers.values())
    for shallow, deep in itertools.pairwise(order):
        shared = [(shallow[role], deep[role]) for role in shallow if role in deep]
        # Unlike layers (an embedding before the first block) still have to be linked, or the chain breaks.
        pairs = shared or [(max(shallow.values()), min(deep.values()))]
        edges.update((min(pair), max(pair)) for pair in pairs)
    return tuple(sorted(edges))


def find_blocks(model: nn.Module | None, trainable: Iterable[Tensor], groups: Iterable[int]) -> Blocks:
    """Find the blocks that a list of trainable tensors belongs to.

    Parameters
    ----------
    model
        The model that owns the tensors; None, or a tensor that it does not own, makes a block of the optimizer's
        parameter group.
    trainable
        The optimizer's trainable tensors, in its order.
    groups
        For each of them the index of its parameter group.

    Returns
    -------
    Blocks
        At least one block when there is at least one tensor.
    """
    named: dict[int, str] = {}
    position: dict[str, int] = {}
    if model is not None:
        for name, parameter in model.named_parameters():
            block = _block_name(name)
            named[id(parameter)] = block
            position.setdefault(block, len(position))
    of_tensor = [named.get(id(tensor), f"group {group}") for tensor, group in zip(trainable, groups, strict=True)]
    names = tuple(sorted(set(of_tensor), key=lambda name: (position.get(name, len(position)), name)))
    index = {name: i for i, name in enumerate(names)}
    return Blocks(names=names, owner=tuple(index[name] for name in of_tensor), edges=_edges(names))
