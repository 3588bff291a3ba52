"""A planner in the Trainer of transformers: ``Trainer(..., callbacks=[GraffCallback(budget=budget)])``."""

import base64
import io
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from typing_extensions import override

from graff.budget import Budget
from graff.errors import GraffError
from graff.integrations._attachment import Attachment, PlannerFactory
from graff.integrations._watched_model import WatchedModel
from graff.planners import Planner, StepReport

try:
    from accelerate.optimizer import AcceleratedOptimizer  # type: ignore[import-untyped]
    from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
    from transformers.trainer_callback import ExportableState
except ImportError as error:
    raise ImportError(
        "graff.integrations.transformers needs the libraries transformers and accelerate; install graff[transformers]"
    ) from error

LossFunction = Callable[..., Tensor]

_PREFIX = "planner/"


class GraffCallback(TrainerCallback, ExportableState):
    """Lets a planner set the learning rates of an unmodified ``transformers.Trainer``, and stops it on the budget.

    The planner is made when the training begins, reads raw gradients before each step of the optimizer and learns after
    it. What the Trainer's own scheduler does to the rates is overruled, and the rate that the Trainer logs is
    the planner's. The state of planner and budget travels in the ``trainer_state.json`` of each checkpoint, and a
    resumed training continues with it.

    Parameters
    ----------
    planner
        The name of a planner, or a function (or class) that takes ``(optimizer, model, budget, max_grad_norm=...)`` and
        the options.
    budget
        The clock; it starts with the first batch.
    max_grad_norm
        Clip the global gradient norm to this value. It is the planner's task because hypergradients need the raw
        gradient: the Trainer's own ``max_grad_norm`` has to be 0.
    on_report
        Called with every step's report, on every rank. The Trainer's log history and the callbacks after this one
        receive the last report's metrics as ``planner/...`` without it.
    **options
        The planner's options.

    Raises
    ------
    GraffError
        For an unknown planner, and without a budget.
    """

    def __init__(
        self,
        planner: str | PlannerFactory = "graff",
        *,
        budget: Budget | None = None,
        max_grad_norm: float | None = None,
        on_report: Callable[[StepReport], None] | None = None,
        **options: Any,
    ) -> None:
        if budget is None:  # as when the Trainer rebuilds its callbacks, which it does from numbers and words alone
            raise GraffError(
                "budget of None: a callback needs a graff.Budget, and restores itself from a checkpoint; "
                "give budget=graff.Budget(minutes=30) and leave restore_callback_states_from_checkpoint off"
            )
        self._attached = Attachment(planner, budget, max_grad_norm, options)
        self._on_report = on_report
        self._watched: WatchedModel | None = None  # while there is a training

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

    def watch(self, loss_function: LossFunction) -> LossFunction:
        """Return the loss function with its losses noted, for ``Trainer(compute_loss_func=callback.watch(...))``.

        Without a loss function of one's own the callback reads the loss that the model returns. With one the planner
        has no probes: they would need the loss of a part of the batch.

        Parameters
        ----------
        loss_function
            As the Trainer takes it: ``(outputs, labels, num_items_in_batch=...)``, a sum over items divided by
            ``num_items_in_batch`` where that is given.
        """

        def watched(outputs: Any, labels: Any, num_items_in_batch: Tensor | int | None = None) -> Tensor:
            loss = loss_function(outputs, labels, num_items_in_batch=num_items_in_batch)
            if self._watched is not None and torch.is_grad_enabled():
                self._watched.note(loss, num_items_in_batch)
            return loss

        return watched

    # -- the training ------------------------------------------------------------------------------------------

    @override
    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Make the planner for the optimizer that exists by now, or restore it."""
        _refuse(args)
        self._release()
        if state.global_step:
            self._attached.load_state_dict(_decoded(state, type(self).__name__))
        self._attached.begin(_innermost(kwargs["optimizer"]), kwargs["model"])
        self._watched = WatchedModel(
            kwargs["model"],
            on_training=self._attached.leave_evaluation,
            # Evaluating several data sets, the Trainer says that it has ended after each of them.
            on_evaluation=self._attached.enter_evaluation,
        )

    @override
    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Start the clock with the first batch."""
        self._attached.end()
        self.budget.start()

    @override
    def on_pre_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Set the rates, from raw gradients that a scaler has unscaled and data parallelism has averaged."""
        assert self._watched is not None, "on_train_begin comes first"
        seen = self._watched.take()
        if seen is None:
            raise GraffError(
                "step without a loss: the model returned none in its forward pass; "
                "give the Trainer compute_loss_func=callback.watch(your_loss_function)"
            )
        loss_sum, count, of_tokens = seen
        # The Trainer's number of tokens is that of all ranks together, unless it is told to average over ranks.
        share = args.world_size if of_tokens and args.average_tokens_across_devices else 1
        self.planner.note(loss_sum, count / share)
        self._attached.before_step(self._watched.probe())

    @override
    def on_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Learn from the step, and let the Trainer log the rate that was used."""
        report = self._attached.after_step()
        scheduler = kwargs["lr_scheduler"]
        if hasattr(scheduler, "_last_lr"):
            scheduler._last_lr = list(report.learning_rates)
        if self._on_report is not None:
            self._on_report(report)

    @override
    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        """Stop when the budget is spent, with the evaluation and the checkpoint that end every training."""
        self._stop_when(self.budget.spent, args, control)
        return self._prepare(control)

    @override
    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        """Prepare for what the Trainer does between epochs."""
        return self._prepare(control)

    @override
    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        """Go back to the weights of the training; stop when the evaluation used the budget up."""
        self._attached.leave_evaluation()
        if self._watched is not None:
            self._stop_when(self.budget.agree().spent, args, control, evaluate=False)
        return control

    @override
    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        """Count what follows as training again; stop when the checkpoint used the budget up."""
        self._attached.end()
        if self._watched is not None and self.budget.agree().spent:
            control.should_training_stop = True
        return control

    @override
    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Leave the model as it was found."""
        self._attached.end()
        self._release()

    @override
    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Add the last report's metrics to what the Trainer logs of its training."""
        logs: dict[str, float] = kwargs["logs"]
        if self.report is not None and "learning_rate" in logs:
            metrics = {_PREFIX + key: value for key, value in self.report.metrics.items()}
            logs.update(metrics)
            state.log_history[-1].update(metrics)

    @override
    def state(self) -> dict[str, Any]:
        """Return the state of planner and budget for ``trainer_state.json``; tensors become text."""
        return {"args": {}, "attributes": {}} | _encoded(self._attached.state_dict())

    # -- the parts ---------------------------------------------------------------------------------------------

    def _stop_when(
        self, spent: bool, args: TrainingArguments, control: TrainerControl, *, evaluate: bool = True
    ) -> None:
        if spent and not control.should_training_stop:
            control.should_training_stop = True
            # By epoch, the Trainer itself does both when it leaves the epoch.
            control.should_evaluate = control.should_evaluate or (evaluate and args.eval_strategy == "steps")
            control.should_save = control.should_save or args.save_strategy == "steps"

    def _prepare(self, control: TrainerControl) -> TrainerControl:
        if control.should_evaluate or control.should_save:
            self._attached.go_away()
        if control.should_evaluate:
            self._attached.enter_evaluation()
        return control

    def _release(self) -> None:
        if self._watched is not None:
            self._watched.release()
        self._watched = None


def _refuse(args: TrainingArguments) -> None:
    if args.max_grad_norm:
        raise GraffError(
            f"max_grad_norm of {args.max_grad_norm:g} in the TrainingArguments: planners read raw gradients and clip "
            f"them themselves; set it to 0 there and give GraffCallback(max_grad_norm={args.max_grad_norm:g})"
        )
    if args.n_gpu > 1:
        raise GraffError(f"DataParallel over {args.n_gpu} GPUs: it is not supported; start one process per GPU")
    if args.fsdp or args.deepspeed:
        name = "fsdp" if args.fsdp else "deepspeed"
        raise GraffError(f"{name} in the TrainingArguments: sharded parameters are not supported; use DDP instead")


def _innermost(optimizer: Optimizer) -> Optimizer:
    while isinstance(optimizer, AcceleratedOptimizer):
        optimizer = optimizer.optimizer
    return optimizer


def _encoded(state: dict[str, Any]) -> dict[str, str]:
    if not state:
        return {}
    file = io.BytesIO()
    torch.save(state, file)
    return {"graff": base64.b64encode(file.getvalue()).decode("ascii")}


def _decoded(state: TrainerState, name: str) -> dict[str, Any]:
    callbacks: Any = state.stateful_callbacks  # by name, in a loaded state
    saved = callbacks.get(name, {})
    if "graff" not in saved:
        raise GraffError(f"checkpoint of step {state.global_step}: it was saved without a {name}; resume one with it")
    file = io.BytesIO(base64.b64decode(saved["graff"]))
    decoded: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    return decoded
