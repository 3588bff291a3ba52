"""A planner in the Trainer of Lightning: ``Trainer(callbacks=[GraffCallback(budget=budget)])``."""

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle
from typing_extensions import override

from graff.budget import Budget
from graff.errors import GraffError
from graff.integrations._attachment import Attachment, PlannerFactory
from graff.planners import Planner, StepReport

try:
    from lightning.pytorch import Callback, LightningModule, Trainer
    from lightning.pytorch.strategies import DeepSpeedStrategy, FSDPStrategy, ModelParallelStrategy
except ImportError as error:
    raise ImportError("graff.integrations.lightning needs the library lightning; install graff[lightning]") from error

PartLoss = Callable[[LightningModule, Any], float | Tensor]

_PREFIX = "planner/"


class GraffCallback(Callback):
    """Lets a planner set the learning rates of a ``lightning.pytorch.Trainer``, and stops it on the budget.

    For automatic optimization with one optimizer. The planner is made when the training begins, reads raw gradients
    before each step of the optimizer and learns after it. The loss of a step is the mean over its micro-batches, as
    Lightning differentiates it, and ``tokens`` in the metrics counts micro-batches. The state of planner and
    budget travels in the Trainer's checkpoints.

    Parameters
    ----------
    planner
        The name of a planner, or a function (or class) that takes ``(optimizer, model, budget, max_grad_norm=...)`` and
        the options.
    budget
        The clock; it starts with the first batch.
    max_grad_norm
        Clip the global gradient norm to this value. It is the planner's task because hypergradients need the raw
        gradient: the Trainer's own ``gradient_clip_val`` has to be left out.
    probe
        Returns the mean loss of a part of a micro-batch, from ``(module, batch)`` and without logging; planners that
        measure curvature call it now and then with the last micro-batch. Without it they measure none.
    on_report
        Called with every step's report, on every rank. The Trainer's loggers receive its metrics as ``planner/...``
        without it, every ``log_every_n_steps`` steps.
    **options
        The planner's options.

    Raises
    ------
    GraffError
        For an unknown planner.
    """

    def __init__(
        self,
        planner: str | PlannerFactory = "graff",
        *,
        budget: Budget,
        max_grad_norm: float | None = None,
        probe: PartLoss | None = None,
        on_report: Callable[[StepReport], None] | None = None,
        **options: Any,
    ) -> None:
        self._attached = Attachment(planner, budget, max_grad_norm, options)
        self._part_loss = probe
        self._on_report = on_report
        self._hook: RemovableHandle | None = None  # while there is a training
        self._batch: Any = None  # the last one
        self._new: StepReport | None = None  # not logged yet
        self._open = False  # between the two halves of a step

    @property
    def planner(self) -> Planner:
        """The planner, once the training has begun."""
        return self._attached.planner

    @property
    def budget(self) -> Budget:
        """The clock."""
        return self._attached.budget

    @property
    def report(self) -> StepReport | None:
        """The report of the last step; None before the first."""
        return self._attached.report

    # -- the training ------------------------------------------------------------------------------------------

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Make the planner for the optimizer that exists by now, or restore it."""
        _refuse(trainer, pl_module)
        self._release()
        self._attached.begin(trainer.optimizers[0], pl_module)
        self._hook = trainer.optimizers[0].register_step_post_hook(lambda *_: self._end_step())

    @override
    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Start the clock with the first batch."""
        self._attached.end()
        self.budget.start()
        self._batch = batch

    @override
    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Tensor) -> None:
        """Note the loss of a micro-batch, without the scaler's scale and Lightning's division."""
        scaler = getattr(trainer.precision_plugin, "scaler", None)
        scale = 1.0 if scaler is None else scaler.get_scale()
        self.planner.note(loss.detach().double() * (trainer.accumulate_grad_batches / scale), 1.0)

    @override
    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        """Set the rates, from raw gradients that a scaler has unscaled and data parallelism has averaged."""
        batch, part_loss = self._batch, self._part_loss
        self._open = True
        self._attached.before_step(None if part_loss is None else lambda: part_loss(pl_module, batch))

    def _end_step(self) -> None:
        # Lightning's gradients are computed within the optimizer's step, and a scaler may leave that step out.
        if self._open:
            self._open = False
            self._new = self._attached.after_step()
            if self._on_report is not None:
                self._on_report(self._new)

    @override
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Log the step, and stop when the budget is spent."""
        self._end_step()
        self._batch = None
        report, self._new = self._new, None
        if report is not None:
            rate = {"learning_rate": report.learning_rate}
            logged = {_PREFIX + key: value for key, value in (rate | dict(report.metrics)).items()}
            pl_module.log_dict(logged, on_step=True, on_epoch=False)
            trainer.should_stop = trainer.should_stop or self.budget.spent

    @override
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave the optimizer as it was found."""
        self._attached.end()
        self._release()

    # -- what is no step ---------------------------------------------------------------------------------------

    @override
    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Hold the weights that an evaluation should see."""
        if self._hook is not None:
            self._attached.go_away()
            self._attached.enter_evaluation()

    @override
    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Go back to the weights of the training; stop when the evaluation used the budget up."""
        if self._hook is not None:
            self._attached.end()
            trainer.should_stop = trainer.should_stop or self.budget.agree().spent

    @override
    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Count the time until the next batch as no step."""
        if self._hook is not None:
            self._attached.go_away()

    # -- state -------------------------------------------------------------------------------------------------

    @override
    def state_dict(self) -> dict[str, Any]:
        """Return the state of planner and budget, empty before the training has begun."""
        return self._attached.state_dict()

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep the state until the planner is made."""
        self._attached.load_state_dict(state_dict)

    def _release(self) -> None:
        if self._hook is not None:
            self._hook.remove()
        self._hook, self._open = None, False


def _refuse(trainer: Trainer, module: LightningModule) -> None:
    if not module.automatic_optimization:
        raise GraffError("manual optimization: the callback needs the automatic one; call planner.step in your loop")
    if len(trainer.optimizers) != 1:
        raise GraffError(
            f"{len(trainer.optimizers)} optimizers: a planner sets the rates of one; give each its own loop"
        )
    if trainer.lr_scheduler_configs:
        raise GraffError(
            "a scheduler in configure_optimizers: the planner sets the learning rates; return the optimizer alone"
        )
    if trainer.gradient_clip_val:
        raise GraffError(
            f"gradient_clip_val of {trainer.gradient_clip_val:g} in the Trainer: planners read raw gradients and clip "
            f"them themselves; leave it out and give GraffCallback(max_grad_norm={trainer.gradient_clip_val:g})"
        )
    if isinstance(trainer.strategy, DeepSpeedStrategy | FSDPStrategy | ModelParallelStrategy):
        name = type(trainer.strategy).__name__
        raise GraffError(f"{name}: sharded parameters are not supported; use the strategy 'ddp' instead")
