"""A function of torch is called as a method, under another module's name, or on lists of unequal length."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import ClassVar

from greenlight.rehearse.menders.edits import changed, over, text_of
from greenlight.rehearse.menders.mender import Mended, Mender
from greenlight.rehearse.menders.place import Place, place
from greenlight.rehearse.observer.record import Raised

_HOME = {
    **dict.fromkeys(("pad_sequence", "pack_padded_sequence", "pad_packed_sequence"), "torch.nn.utils.rnn"),
    **dict.fromkeys(
        ("pad", "one_hot", "normalize", "gelu", "silu", "elu", "leaky_relu", "cross_entropy", "mse_loss", "l1_loss",
         "nll_loss", "kl_div", "binary_cross_entropy", "binary_cross_entropy_with_logits", "interpolate", "linear",
         "cosine_similarity", "dropout", "layer_norm", "softplus"),
        "torch.nn.functional",
    ),
    **dict.fromkeys(("stack", "cat", "concat", "where", "einsum", "zeros_like", "ones_like", "rand_like"), "torch"),
    **dict.fromkeys(("clip_grad_norm_", "clip_grad_value_", "parameters_to_vector"), "torch.nn.utils"),
}  # fmt: skip
_NO_ATTRIBUTE = re.compile(r"^(?:'(?:Tensor|list|tuple)' object|module 'torch(?:\.[\w.]+)?') has no attribute '(\w+)'")
_RAGGED = re.compile(
    r"only integer tensors of a single element|expected sequence of length \d+ at dim|"
    r"only one element tensors can be converted|only tensors? of (?:a single|one) element|"
    r"must be real number, not (?:list|Tensor)|a Tensor with \d+ elements cannot be converted to Scalar"
)


class TensorFunctions(Mender):
    """``torch.tensor(rows).pad_sequence(batch_first=True)``."""

    name: ClassVar[str] = "tensor-functions"

    def mend(self, raised: Raised, files: Mapping[str, bytes]) -> Mended | None:
        """Return the files with the call of the function where torch has it."""
        where = place(raised, files)
        if where is None:
            return None
        found = _NO_ATTRIBUTE.search(raised.root_message)
        if found is not None and found[1] in _HOME:
            return _called(where, found[1], files)
        if _RAGGED.search(raised.root_message):
            return _padded(where, files)
        return None


def _called(where: Place, name: str, files: Mapping[str, bytes]) -> Mended | None:
    for call in [n for n in where.in_statement() if isinstance(n, ast.Call)]:
        if not (isinstance(call.func, ast.Attribute) and call.func.attr == name):
            continue
        arguments = [text_of(where.module, a) for a in (*call.args, *call.keywords)]
        dotted = where.module.dotted(call.func)
        if dotted is None or not dotted.startswith("torch."):
            owner = call.func.value
            arguments.insert(0, _rows(where, owner) if name == "pad_sequence" else text_of(where.module, owner))
        text = f"{where.name_of(_HOME[name])}.{name}({', '.join(arguments)})"
        said = f"{where.module.path}:{call.lineno}: {name} is called as {_HOME[name]}.{name}"
        return Mended(changed(files, where.module.path, [over(call, text)]), said)
    return None


def _rows(where: Place, node: ast.expr) -> str:
    """Return what ``torch.tensor(rows)`` was given: of rows of unequal length it can make nothing."""
    if (
        isinstance(node, ast.Call)
        and where.module.dotted(node.func) in ("torch.tensor", "torch.as_tensor")
        and node.args
    ):
        node = node.args[0]
    return text_of(where.module, node)


def _padded(where: Place, files: Mapping[str, bytes]) -> Mended | None:
    """Return the files with rows that are padded to one length."""
    for node in where.in_statement():
        if not isinstance(node, ast.Call) or not node.args:
            continue
        around = where.module.parent(node)
        if where.module.dotted(node.func) not in ("torch.tensor", "torch.as_tensor", "torch.LongTensor"):
            continue
        if isinstance(around, ast.Attribute) and around.attr in _HOME:
            return _called(where, around.attr, files)
        torch = where.name_of("torch")
        kind = next((text_of(where.module, k) for k in node.keywords if k.arg == "dtype"), "")
        as_tensor = f"{torch}.as_tensor(row{', ' + kind if kind else ''})"
        rows = text_of(where.module, node.args[0])
        text = f"{torch}.nn.utils.rnn.pad_sequence([{as_tensor} for row in {rows}], batch_first=True)"
        said = f"{where.module.path}:{node.lineno}: rows of unequal length are padded to one"
        return Mended(changed(files, where.module.path, [over(node, text)]), said)
    return None
