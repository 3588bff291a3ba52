"""Criterion 4, model and optimisation: a learned part and a gradient scaler that are put in, and broken."""

from __future__ import annotations

from benchmarks.review.operators._operator import Operator, chain, swap

_TRAIN, _MODEL = "src/train.py", "src/model.py"

# A learned multiplier of the learning rate, correct as it stands; operators break it.
_LEARNED = '''

class LearnedScale(torch.nn.Module):
    """A multiplier of the loss that is learned from the share of the time."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.state = torch.nn.Parameter(torch.zeros(width))
        self.inner = torch.nn.Linear(width + 1, width)
        self.outer = torch.nn.Linear(width, 1)

    def forward(self, share: torch.Tensor) -> torch.Tensor:
        """Return the multiplier at a share of the time."""
        hidden = torch.tanh(self.inner(torch.cat([self.state, share.reshape(1)])))
        return torch.exp(self.outer(hidden)).squeeze()
'''
_STEP = (
    "        loss = output.loss * (answer_tokens(batch) / counted)\n"
    "        loss.backward()\n"
    "        total += loss.item()\n"
    "    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), clip_grad_norm)\n"
    "    optimizer.step()\n"
    "    optimizer.zero_grad(set_to_none=True)\n"
)
_USES_LEARNED = chain(
    lambda files: {**files, _MODEL: files[_MODEL] + _LEARNED},
    swap(_TRAIN, ("from src.model import answer,", "from src.model import LearnedScale, answer,")),
    swap(
        _TRAIN,
        (
            "    clip_grad_norm: float,\n    device: torch.device,\n) -> tuple[float, float]:\n",
            "    clip_grad_norm: float,\n    device: torch.device,\n    scale: LearnedScale,\n"
            "    scale_optimizer: torch.optim.Optimizer,\n    share: float,\n) -> tuple[float, float]:\n",
        ),
    ),
    swap(
        _TRAIN,
        (
            "take_step(model, optimizer, group, cfg.training.clip_grad_norm, device)",
            "take_step(\n"
            "                model, optimizer, group, cfg.training.clip_grad_norm, device, scale, "
            "scale_optimizer, share\n"
            "            )",
        ),
    ),
    swap(
        _TRAIN,
        (
            _STEP,
            _STEP.replace("output.loss *", "output.loss * scale(torch.tensor(share, device=device)) *")
            + "    scale_optimizer.step()\n    scale_optimizer.zero_grad(set_to_none=True)\n",
        ),
    ),
    swap(
        _TRAIN,
        (
            "    schedule = make_schedule(cfg.training.scheduler)\n",
            "    schedule = make_schedule(cfg.training.scheduler)\n    scale = LearnedScale(8).to(device)\n"
            "    scale_optimizer = torch.optim.Adam(scale.parameters(), lr=1e-3)\n",
        ),
    ),
)
_SCALED = chain(
    swap(
        _TRAIN,
        (
            _STEP,
            "        loss = output.loss * (answer_tokens(batch) / counted)\n"
            "        scaler.scale(loss).backward()\n        total += loss.item()\n    scaler.unscale_(optimizer)\n"
            "    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), clip_grad_norm)\n"
            "    scaler.step(optimizer)\n    scaler.update()\n    optimizer.zero_grad(set_to_none=True)\n",
        ),
    ),
    swap(
        _TRAIN,
        (
            "    clip_grad_norm: float,\n    device: torch.device,\n) -> tuple[float, float]:\n",
            "    clip_grad_norm: float,\n"
            "    device: torch.device,\n"
            "    scaler: torch.amp.GradScaler,\n"
            ") -> tuple[float, float]:\n",
        ),
    ),
    swap(
        _TRAIN,
        (
            "take_step(model, optimizer, group, cfg.training.clip_grad_norm, device)",
            "take_step(model, optimizer, group, cfg.training.clip_grad_norm, device, scaler)",
        ),
    ),
    swap(
        _TRAIN,
        (
            "    schedule = make_schedule(cfg.training.scheduler)\n",
            "    schedule = make_schedule(cfg.training.scheduler)\n    scaler = torch.amp.GradScaler(device.type)\n",
        ),
    ),
    swap(
        _MODEL,
        (
            'DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}',
            'DTYPES = {"bfloat16": torch.float16, "float32": torch.float32}',
        ),
    ),
)

OPERATORS = (
    Operator(
        "parameter-assigned-a-tensor",
        "An nn.Parameter is assigned a plain tensor outside __init__, which raises TypeError.",
        ("GL401",),
        chain(
            _USES_LEARNED,
            swap(
                _MODEL,
                (
                    "        hidden = torch.tanh(self.inner(torch.cat([self.state, share.reshape(1)])))\n",
                    "        hidden = torch.tanh(self.inner(torch.cat([self.state, share.reshape(1)])))\n"
                    "        self.state = hidden\n",
                ),
            ),
        ),
    ),
    Operator(
        "module-not-moved",
        "A module with parameters stays on the CPU while its inputs are on the device.",
        ("GL402",),
        chain(
            _USES_LEARNED, swap(_TRAIN, ("    scale = LearnedScale(8).to(device)\n", "    scale = LearnedScale(8)\n"))
        ),
    ),
    Operator(
        "no-gradient-for-the-learner",
        "A learned multiplier leaves as a number: its optimiser never gets a gradient.",
        ("GL403",),
        chain(
            _USES_LEARNED,
            swap(
                _MODEL,
                (
                    "    def forward(self, share: torch.Tensor) -> torch.Tensor:",
                    "    def forward(self, share: torch.Tensor) -> float:",
                ),
            ),
            swap(_MODEL, ("torch.exp(self.outer(hidden)).squeeze()", "torch.exp(self.outer(hidden)).item()")),
        ),
        seen_at=(_TRAIN,),
    ),
    Operator(
        "item-of-a-number",
        "A value becomes a float in one branch and is asked for .item() after it.",
        ("GL404",),
        chain(
            _USES_LEARNED,
            swap(
                _MODEL,
                (
                    "        return torch.exp(self.outer(hidden)).squeeze()\n",
                    "        eta = torch.exp(self.outer(hidden)).squeeze()\n"
                    "        if eta > 1.9:\n"
                    "            eta = 1.9\n"
                    "        return eta.item()\n",
                ),
            ),
        ),
    ),
    Operator(
        "layer-never-used",
        "A layer is made in __init__ and no forward calls it.",
        ("GL427",),
        chain(
            _USES_LEARNED,
            swap(
                _MODEL,
                (
                    "        self.outer = torch.nn.Linear(width, 1)\n",
                    "        self.outer = torch.nn.Linear(width, 1)\n"
                    "        self.gate = torch.nn.Linear(width, width)\n",
                ),
            ),
        ),
    ),
    Operator(
        "scaler-with-bfloat16",
        "A GradScaler is switched on exactly where training is in bfloat16.",
        ("GL405",),
        chain(
            _SCALED,
            swap(_MODEL, ('DTYPES = {"bfloat16": torch.float16,', 'DTYPES = {"bfloat16": torch.bfloat16,')),
            swap(
                _TRAIN,
                (
                    "torch.amp.GradScaler(device.type)",
                    'torch.amp.GradScaler(device.type, enabled=cfg.model.dtype == "bfloat16")',
                ),
            ),
        ),
    ),
    Operator(
        "clipping-before-unscale",
        "Gradients are clipped while they are still multiplied by the scaler.",
        ("GL407",),
        chain(
            _SCALED,
            swap(
                _TRAIN,
                (
                    "    scaler.unscale_(optimizer)\n"
                    "    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), clip_grad_norm)\n",
                    "    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), clip_grad_norm)\n"
                    "    scaler.unscale_(optimizer)\n",
                ),
            ),
        ),
    ),
    Operator(
        "gradients-read-before-unscale",
        "A statistic is read from gradients that are still multiplied by the scaler.",
        ("GL406",),
        chain(
            _SCALED,
            swap(
                _TRAIN,
                (
                    "    scaler.unscale_(optimizer)\n",
                    "    squared = sum(p.grad.pow(2).mean() for p in model.parameters() if p.grad is not None)\n"
                    "    print(squared)\n"
                    "    scaler.unscale_(optimizer)\n",
                ),
            ),
        ),
    ),
    Operator(
        "option-read-and-unused",
        "A constructor reads an option of the method and nothing uses it.",
        ("GL426",),
        chain(
            _USES_LEARNED,
            swap(
                _MODEL,
                (
                    "    def __init__(self, width: int) -> None:\n        super().__init__()\n",
                    "    def __init__(self, width: int, floor: float) -> None:\n"
                    "        super().__init__()\n"
                    "        self.entropy_bonus = floor\n",
                ),
            ),
            swap(_TRAIN, ("LearnedScale(8)", "LearnedScale(8, cfg.training.scheduler.floor)")),
        ),
    ),
)
