"""What a planner needs to know of a model whose loop tells nobody its loss: the losses, and a part of the batch."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from graff.probes import Probe


class WatchedModel:
    """Notes the losses of a model's forward passes, whose outputs are those of transformers.

    Parameters
    ----------
    model
        The model, without the wrappers of data parallelism and compilation.
    on_training, on_evaluation
        Called before each forward pass in training and in evaluation mode.
    """

    def __init__(self, model: nn.Module, *, on_training: Callable[[], None], on_evaluation: Callable[[], None]) -> None:
        self._model = model
        self._on_training, self._on_evaluation = on_training, on_evaluation
        self._losses: list[Tensor] = []  # of the micro-batches of the coming step
        self._items: Tensor | float | None = None  # that their sum is divided by
        self._inputs: dict[str, Any] | None = None  # of the last micro-batch
        # Compiled, the two functions would be traced with the model; they are three list operations.
        self._hooks: list[RemovableHandle] = [
            model.register_forward_pre_hook(torch.compiler.disable(self._before_forward)),
            model.register_forward_hook(torch.compiler.disable(self._after_forward), with_kwargs=True),
        ]

    def note(self, loss: Tensor, items: Tensor | float | None) -> None:
        """Note the loss of one micro-batch.

        Parameters
        ----------
        loss
            The mean over the micro-batch in nats; or, with ``items``, its sum divided by ``items``.
        items
            The counted tokens of the whole batch, the same number for all its micro-batches; None for a mean.
        """
        # A copy: the Trainer multiplies the loss in place under data parallelism.
        self._losses.append(loss.detach().clone().double())
        self._items = items

    def take(self) -> tuple[Tensor, Tensor | float, bool] | None:
        """Return the sum of losses since the last call, what it is a sum over, and whether these are tokens.

        Returns
        -------
        tuple or None
            Where no number of items was given, means are summed up, over micro-batches. None for no loss at all.
        """
        if not self._losses:
            return None
        total, count, items = torch.stack(self._losses).sum(), float(len(self._losses)), self._items
        self._losses, self._items = [], None
        return (total, count, False) if items is None else (total * items, items, True)

    def probe(self) -> Probe | None:
        """Return the mean loss of half of the last micro-batch as a function; None where there is no such half."""
        inputs, self._inputs = self._inputs, None
        if inputs is None or len(inputs["labels"]) < 2:
            return None
        rows = len(inputs["labels"])
        part = {
            key: value[: rows // 2] if isinstance(value, Tensor) and value.ndim and len(value) == rows else value
            for key, value in inputs.items()
            if key != "num_items_in_batch"
        }

        def loss_of_part() -> Tensor:
            loss = _loss_of(self._model(**part))
            assert loss is not None, "the same model returned a loss for the whole micro-batch"
            return loss

        return loss_of_part

    def release(self) -> None:
        """Stop watching."""
        for hook in self._hooks:
            hook.remove()

    def _before_forward(self, model: nn.Module, args: tuple[Any, ...]) -> None:  # noqa: ARG002 - the hook's signature
        (self._on_training if model.training else self._on_evaluation)()

    def _after_forward(
        self,
        model: nn.Module,
        args: tuple[Any, ...],  # noqa: ARG002 - the hook's signature
        kwargs: dict[str, Any],
        outputs: Any,
    ) -> None:
        if not model.training or not torch.is_grad_enabled():  # an evaluation, or a probe
            return
        loss = _loss_of(outputs)
        if loss is not None and isinstance(kwargs.get("labels"), Tensor):
            self._inputs = kwargs
            self.note(loss, kwargs.get("num_items_in_batch"))


def _loss_of(outputs: Any) -> Tensor | None:
    loss = outputs.get("loss") if isinstance(outputs, dict) else outputs[0] if isinstance(outputs, tuple) else None
    return loss if isinstance(loss, Tensor) and loss.ndim == 0 else None
