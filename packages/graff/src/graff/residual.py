"""The learned residual on a planned learning rate: a network, its carried state and its own optimizer."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from graff.encoder import HEADS, HIDDEN, LinearDecoder, TrajectoryEncoder
from graff.warm_start import WarmStart

# The encoder has no direction that moves the rate alone; at the decoder's pace its gates saturate within ten steps.
_ENCODER_PACE = 0.01
# Hypergradients span orders of magnitude: they shrink with rate and loss, and one step that is far too long makes one
# that is a thousand times as large, after which Adam alone learned nothing for the rest of a run. A mean of
# logarithms forgets it in fifty steps.
_SCALE_DECAY = 0.95
_LARGEST = 10.0  # in units of that scale
# A warm start knows how features and rates go together, not which base rate this run has: an offset of +0.9 taken over
# from another run made the model collapse at ten times the best rate. Until the features have settled the prior
# stands, and the offset is set so that learning starts from it.
_SETTLING_STEPS = 5
# Decoupled decay of the multipliers' weights: Adam's steps add up to about 15 over a run, so that without a gradient
# they fall by exp(-1.5). No multiplier has been seen to help, so they have to earn their distance from 1.
_PULL = 0.1


class LearnedResidual:
    """Turns features into a log residual and learns from what that residual did to the next batch's loss.

    Parameters
    ----------
    adjacency
        Row-normalised graph of the blocks, shape (N, N).
    bound
        The largest factor by which the residual raises or lowers the rate.
    learn
        False freezes all weights.
    seed
        Seed of the initial weights.
    block_multipliers, token_multipliers
        True reads a multiplier for each block as well, and a slope for tokens; a head that is off costs nothing.
    """

    def __init__(
        self,
        adjacency: Tensor,
        *,
        bound: float,
        learn: bool,
        seed: int,
        block_multipliers: bool = False,
        token_multipliers: bool = False,
    ) -> None:
        self.encoder = TrajectoryEncoder(torch.Generator().manual_seed(seed))
        self.decoder = LinearDecoder(bound, block_head=block_multipliers, token_head=token_multipliers)
        self.failures = 0
        self._settling = 0
        self._adjacency = adjacency
        self._learns = learn
        self._outer = torch.optim.Adam(
            [
                {"params": [self.decoder.weight, self.decoder.bias], "pace": 1.0},
                {"params": list(self.encoder.parameters()), "pace": _ENCODER_PACE},
            ],
            lr=0.0,
        )
        # One for each, stepped where its head has a gradient and nowhere else.
        self._heads = {
            head: torch.optim.AdamW([weight], lr=0.0, weight_decay=_PULL)
            for head in HEADS
            if learn and (weight := getattr(self.decoder, head)) is not None
        }
        self._previous = torch.zeros(adjacency.shape[0], HIDDEN)  # the state that entered the last step
        self._state = self._previous  # the state that left it, with its graph
        self._features: Tensor | None = None
        self._residual: Tensor | None = None
        self._log_multipliers: Tensor | None = None  # of the blocks
        self._log_scale: float | None = None  # of the gradients
        self._block_scale: float | None = None
        self._token_scale: float | None = None

    def learn(self, gradient: float, pace: float, by_block: Tensor | None = None) -> None:
        """Follow the gradient of the objective by the last log residual, and by the last log multipliers.

        Parameters
        ----------
        gradient
            Derivative of the objective by the log residual that :meth:`next` returned last.
        pace
            How far Adam moves a weight of ``W`` by one step.
        by_block
            Derivative by each block's own log multiplier, as if no other moved, shape (N,).
        """
        if not self._learns or self._residual is None or not math.isfinite(gradient) or gradient == 0.0:
            return
        self._log_scale, size = _scaled(self._log_scale, abs(gradient))
        ends = [self._residual]
        gradients = [torch.tensor(math.copysign(size, gradient), dtype=self._residual.dtype)]
        if by_block is not None and self._log_multipliers is not None:
            norm = float(by_block.norm())
            if math.isfinite(norm) and norm > 0.0:
                self._block_scale, size = _scaled(self._block_scale, norm)
                ends.append(self._log_multipliers)
                gradients.append(by_block.to(self._log_multipliers) * (size / norm))
        for group in self._outer.param_groups:
            group["lr"] = pace * group["pace"]
        self._outer.zero_grad(set_to_none=True)
        blocks = self._head_at(pace, "block_weight") if len(ends) > 1 else None
        torch.autograd.backward(ends, gradients)
        self._outer.step()
        if blocks is not None:
            blocks.step()
        self._residual = self._log_multipliers = None

    def learn_tokens(self, gradient: Tensor, pace: float) -> None:
        """Follow the gradient of the objective by the weights of the token head, shape (16,).

        Parameters
        ----------
        gradient
            Ignored where it is zero or not finite, and without that head.
        pace
            How far Adam moves a weight by one step.
        """
        norm = float(gradient.norm())
        if self.decoder.token_weight is None or not self._learns or not math.isfinite(norm) or norm == 0.0:
            return
        self._token_scale, size = _scaled(self._token_scale, norm)
        tokens = self._head_at(pace, "token_weight")
        self.decoder.token_weight.grad = (gradient * (size / norm)).to(self.decoder.token_weight)
        tokens.step()

    def _head_at(self, pace: float, head: str) -> torch.optim.AdamW:
        """Return a head's optimizer at a pace, its gradient cleared."""
        optimizer = self._heads[head]
        optimizer.param_groups[0]["lr"] = pace
        optimizer.zero_grad(set_to_none=True)
        return optimizer

    @property
    def multipliers(self) -> list[float] | None:
        """The multiplier of each block for the step planned last, geometric mean 1; None without that head."""
        if self.decoder.block_weight is None:
            return None
        with torch.no_grad():
            return [float(s) for s in self.decoder.log_multipliers(self._state.detach()).exp()]

    @torch.no_grad()
    def token_slope(self) -> tuple[float, Tensor]:
        """Return the token head's number for the next batch, and its derivative by the weights, shape (16,).

        Without that head the number is 0.
        """
        direction = self.decoder.token_direction(self._state.detach())
        weight = self.decoder.token_weight
        return 0.0 if weight is None else float(weight @ direction), direction

    def next(self, features: Tensor) -> float:
        """Return the log residual for a step's standardised features, shape (N, 7)."""
        self._features, self._previous = features, self._state.detach()
        residual = self._evaluate(features)
        self._settling = max(0, self._settling - 1)
        return residual

    def _evaluate(self, features: Tensor) -> float:
        with torch.set_grad_enabled(self._learns):
            self._state = self.encoder(features, self._adjacency, self._previous)
            if self._settling > 0:
                self.decoder.centre(self._state.detach())
            self._decode()
        assert self._residual is not None
        value, multipliers = float(self._residual.detach()), self._log_multipliers
        if math.isfinite(value) and (multipliers is None or bool(multipliers.detach().isfinite().all())):
            return value
        self._start_anew()
        return 0.0

    def _decode(self) -> None:
        # Always both and in this order: their gradients are added up in the order of the graph, to the last bit.
        self._residual = self.decoder(self._state)
        has_blocks = self.decoder.block_weight is not None
        self._log_multipliers = self.decoder.log_multipliers(self._state) if has_blocks else None

    def _start_anew(self) -> None:
        """Put the prior in charge: a network that gives no number is replaced by one that changes nothing."""
        self.failures += 1
        self.encoder.load_state_dict(TrajectoryEncoder(torch.Generator().manual_seed(self.failures)).state_dict())
        self.decoder.load_state_dict({key: torch.zeros_like(v) for key, v in self.decoder.state_dict().items()})
        self._outer.state.clear()
        for optimizer in self._heads.values():
            optimizer.state.clear()
        self._residual = self._log_multipliers = None
        self._state = torch.zeros_like(self._previous)

    def bound(self, log_bound: float) -> None:
        """Project ``W``, unless it is frozen, so that the log residual of this step is at most ``log_bound``."""
        if self._learns and self.decoder.project(self._state.detach(), log_bound) and self._residual is not None:
            self._decode()

    def warm_start(self, weights: WarmStart) -> None:
        """Take over pre-trained weights; the first steps only find their offset."""
        self.encoder.load_state_dict(weights.encoder)
        self.decoder.take(weights.decoder)
        self._settling = _SETTLING_STEPS

    def learned(self, statistics: dict[str, Tensor]) -> WarmStart:
        """Return what another run can start from; ``statistics`` are those of the features."""
        encoder = {key: value.clone() for key, value in self.encoder.state_dict().items()}
        decoder = {key: value.clone() for key, value in self.decoder.state_dict().items()}
        return WarmStart(encoder, decoder, statistics)

    def state_dict(self) -> dict[str, Any]:
        """Return the weights, the outer optimizer, and what is needed to build the pending graph again."""
        return {
            "encoder": self.encoder.state_dict(),
            "decoder": self.decoder.state_dict(),
            "outer": self._outer.state_dict(),
            "heads": {head: optimizer.state_dict() for head, optimizer in self._heads.items()},
            "previous": self._previous,
            "features": self._features,
            "pending": self._residual is not None,
            "failures": self.failures,
            "settling": self._settling,
            "log_scale": self._log_scale,
            "block_scale": self._block_scale,
            "token_scale": self._token_scale,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a saved state, the pending graph included."""
        self.encoder.load_state_dict(state["encoder"])
        self.decoder.take(state["decoder"])
        self._outer.load_state_dict(state["outer"])
        saved = _of_each_head(state.get("heads", {}))
        for head, optimizer in self._heads.items():
            if head in saved:
                optimizer.load_state_dict(saved[head])
        self._block_scale, self._token_scale = state.get("block_scale"), state.get("token_scale")
        self.failures, self._settling = int(state["failures"]), 0
        self._log_scale = state["log_scale"]
        self._previous, self._features = state["previous"].clone(), state["features"]
        self._state, self._residual, self._log_multipliers = self._previous, None, None
        if self._features is not None:
            self._evaluate(self._features)
            if not state["pending"]:
                self._residual = self._log_multipliers = None
        self._settling = int(state["settling"])


def _of_each_head(saved: Mapping[str, Any]) -> dict[str, Any]:
    """Return the state of each head's optimizer; before there was one for each, one held both whatever was on."""
    if "param_groups" not in saved:
        return dict(saved)
    (group,) = saved["param_groups"]
    return {
        head: {
            "state": {0: saved["state"][index]} if index in saved["state"] else {},
            "param_groups": [{**group, "params": [0]}],
        }
        for index, head in enumerate(HEADS)
    }


def _scaled(log_scale: float | None, size: float) -> tuple[float, float]:
    """Return the running logarithm of sizes with this one taken in, and the size in its units, cut to the largest."""
    log_size = math.log(size)
    before = log_size if log_scale is None else log_scale
    after = _SCALE_DECAY * before + (1.0 - _SCALE_DECAY) * log_size
    return after, min(_LARGEST, math.exp(log_size - after))
