"""The entropy of the next-token distribution after the first adapted layer, read by a logit lens.

The final norm and the output embedding are applied to an early layer's hidden state, as if it were the last one's
(nostalgebraist 2020). What a model does to its logits besides, such as capping or scaling them, is left out.
"""

from typing import Any

import torch
from torch import Tensor, nn

_NORMS = ("norm", "ln_f", "final_layernorm", "final_layer_norm")
_WRAPPERS = ("_orig_mod", "module")  # torch.compile, data parallelism


class Lens:
    """Keeps the hidden state of a layer's last training forward and reads distributions from it.

    Parameters
    ----------
    layer
        Its output, or the first part of it, is the hidden state of shape (B, T, H).
    norm, head
        The model's final norm and output embedding.
    """

    def __init__(self, layer: nn.Module, norm: nn.Module, head: nn.Module) -> None:
        self._layer, self._norm, self._head = layer, norm, head
        self._hidden: Tensor | None = None
        layer.register_forward_hook(self._keep)

    @classmethod
    def of(cls, model: nn.Module | None) -> "Lens | None":
        """Return the lens of a causal language model; None where one of its parts is not found.

        The parts are found by the names that transformers gives them: ``get_base_model`` of an adapted model,
        ``get_decoder`` with its list of layers and its norm, and ``get_output_embeddings``. The layer is the first
        one with a trainable parameter.
        """
        parts = _parts(model)
        return None if parts is None else cls(*parts)

    def _keep(self, layer: nn.Module, _inputs: Any, output: Any) -> None:
        # A probe and an evaluation run without gradients or out of training mode. Checkpointing runs the layer once
        # more inside of the backward pass, when the batch has been weighed already.
        in_backward = torch._C._current_graph_task_id() != -1
        if torch.is_grad_enabled() and layer.training and not in_backward:
            hidden = output[0] if isinstance(output, tuple) else output
            self._hidden = hidden.detach()

    def take(self) -> Tensor | None:
        """Return the hidden state of the last training forward, shape (B, T, H), and forget it."""
        hidden, self._hidden = self._hidden, None
        return hidden

    @torch.no_grad()
    def logits(self, hidden: Tensor) -> Tensor:
        """Return the logits of hidden states of shape (k, H), shape (k, V)."""
        weight = next(self._head.parameters(), None)
        normed = self._norm(hidden)
        if weight is not None and weight.is_floating_point():
            normed = normed.to(weight.dtype)
        return torch.as_tensor(self._head(normed))

    @torch.no_grad()
    def entropies(self, hidden: Tensor) -> Tensor:
        """Return the entropy in nats of the distribution at each of k positions, shape (k,), from shape (k, H)."""
        logits = self.logits(hidden)
        if logits.dtype != torch.float64:
            logits = logits.float()
        return torch.as_tensor(torch.special.entr(logits.softmax(-1)).sum(-1))


def _parts(model: nn.Module | None) -> tuple[nn.Module, nn.Module, nn.Module] | None:
    while model is not None and any(isinstance(getattr(model, name, None), nn.Module) for name in _WRAPPERS):
        model = next(m for m in (getattr(model, name, None) for name in _WRAPPERS) if isinstance(m, nn.Module))
    model = _called(model, "get_base_model") or model
    decoder, head = _called(model, "get_decoder"), _called(model, "get_output_embeddings")
    if decoder is None or head is None:
        return None
    norm = next((m for m in (getattr(decoder, name, None) for name in _NORMS) if isinstance(m, nn.Module)), None)
    layers = next((child for child in decoder.children() if isinstance(child, nn.ModuleList) and len(child)), None)
    if norm is None or layers is None:
        return None
    adapted = (layer for layer in layers if any(p.requires_grad for p in layer.parameters()))
    layer = next(adapted, None)
    return None if layer is None else (layer, norm, head)


def _called(model: nn.Module | None, method: str) -> nn.Module | None:
    get = getattr(model, method, None)
    found = get() if callable(get) else None
    return found if isinstance(found, nn.Module) else None
