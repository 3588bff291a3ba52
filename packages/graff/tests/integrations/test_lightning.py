import importlib
import subprocess
import sys
from contextlib import contextmanager

import pytest
import torch
from lightning import pytorch as lightning
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.plugins import MixedPrecision
from torch import nn
from torch.utils.data import DataLoader

import graff
from graff import GraffError
from graff.integrations.lightning import GraffCallback

pytestmark = [
    # lightning 2.6 reads a class of torch 2.15 that is on its way out.
    pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec.. is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:The '.*_dataloader' does not have many workers"),
    pytest.mark.filterwarnings("ignore:You defined a `validation_step` but have no `val_dataloader`"),
]

LEARNED = {"outer_lr": 2e-3, "probe_share": 0.0}
TRUTH = torch.randn(6, 3, generator=torch.Generator().manual_seed(1))


class Module(lightning.LightningModule):
    def __init__(self, optimizer=torch.optim.AdamW, scheduler=False):
        super().__init__()
        torch.manual_seed(11)
        self.net = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
        self.make, self.scheduler, self.seen = optimizer, scheduler, []

    def loss(self, x):
        return (self.net(x) - x @ TRUTH).square().mean()

    def training_step(self, x, batch_idx):
        loss = self.loss(x)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, x, batch_idx):
        self.seen.append(max(float(p.detach().abs().max()) for p in self.parameters()))

    def configure_optimizers(self):
        optimizer = self.make(self.parameters(), lr=1e-2)
        if self.scheduler:
            return [optimizer], [torch.optim.lr_scheduler.ConstantLR(optimizer)]
        return optimizer


class Ticks(lightning.Callback):
    """Passes an eighth of a second at every step, right before the optimizer's, and more in evaluations."""

    def __init__(self, clock, evaluation_s=0.0):
        self.clock, self.evaluation_s = clock, evaluation_s

    def on_before_optimizer_step(self, *_):
        self.clock.pass_by(0.125)

    def on_validation_batch_end(self, *_):
        self.clock.pass_by(self.evaluation_s)


def batches(number=12):
    return list(torch.randn(number, 8, 6, generator=torch.Generator().manual_seed(2)))


class Train:
    def __init__(self, clock, planner="graff", *, module=None, seconds=4.0, evaluation_s=0.0, callbacks=(), **settings):
        own = {key: settings.pop(key) for key in ("options", "probe", "max_grad_norm") if key in settings}
        self.module = module or Module()
        self.reports = []
        self.budget = graff.Budget(seconds=seconds, clock=clock)
        self.callback = GraffCallback(
            planner,
            budget=self.budget,
            max_grad_norm=own.get("max_grad_norm", 1.0),
            probe=own.get("probe"),
            on_report=self.reports.append,
            **own.get("options", LEARNED if planner == "graff" else {}),
        )
        defaults = {
            "max_epochs": 1000,
            "accelerator": "cpu",
            "logger": False,
            "enable_checkpointing": bool(callbacks),
            "enable_progress_bar": False,
            "enable_model_summary": False,
        }
        self.trainer = lightning.Trainer(
            callbacks=[Ticks(clock, evaluation_s), *callbacks, self.callback], **(defaults | settings)
        )

    def __call__(self, validation=None, **kwargs):
        validation = validation and DataLoader(validation, batch_size=None)
        self.trainer.fit(self.module, DataLoader(batches(), batch_size=None), validation, **kwargs)
        return self

    def weights(self):
        return [p.detach().clone() for p in self.module.parameters()]


def half_loss(module, x):
    return module.loss(x[: len(x) // 2])


def plain_loop(clock, planner, *, accumulate=1, optimizer=torch.optim.AdamW, options=None, probe=False):
    module = Module(optimizer)
    made_by = module.configure_optimizers()
    budget = graff.Budget(seconds=4.0, clock=clock)
    options = options or (LEARNED if planner == "graff" else {})
    made = graff.planners.make(planner, optimizer=made_by, model=module, budget=budget, max_grad_norm=1.0, **options)
    reports, i = [], 0
    while not budget.spent:
        for _ in range(accumulate):
            x = batches()[i % 12]
            losses = (module.net(x) - x @ TRUTH).square()
            made.weigh(losses, of=accumulate * losses.numel()).backward()
            i += 1
        clock.pass_by(0.125)
        reports.append(made.step((lambda x=x: half_loss(module, x)) if probe else None))
    return reports, [p.detach() for p in module.parameters()]


@pytest.mark.parametrize(
    ("planner", "accumulate", "optimizer"),
    [
        ("linear", 1, torch.optim.AdamW),
        ("graff", 1, torch.optim.AdamW),
        ("graff", 3, torch.optim.AdamW),
        ("graff", 1, torch.optim.SGD),
        ("graff", 1, torch.optim.RMSprop),
        ("reactor", 1, torch.optim.AdamW),
    ],
)
def test_it_trains_as_the_plain_loop_does_and_stops_on_the_budget(clock, planner, accumulate, optimizer):
    train = Train(clock, planner, module=Module(optimizer), accumulate_grad_batches=accumulate)()
    reports, weights = plain_loop(clock, planner, accumulate=accumulate, optimizer=optimizer)
    assert train.trainer.global_step == train.budget.steps == len(reports) == 31
    for mine, plain in zip(train.reports, reports, strict=True):
        assert mine.loss == pytest.approx(plain.loss, rel=1e-4)
        assert mine.learning_rates == pytest.approx(plain.learning_rates, rel=1e-4)
        assert mine.metrics["tokens"] == accumulate
    for mine, plain in zip(train.weights(), weights, strict=True):
        torch.testing.assert_close(mine, plain, rtol=1e-4, atol=1e-6)
    assert train.reports[-1].loss < train.reports[0].loss
    assert len({r.learning_rate for r in train.reports}) == 31


def test_probes_see_the_last_micro_batch(clock):
    options = {"outer_lr": 2e-3, "probe_share": 0.9}
    train = Train(clock, options=options, probe=half_loss)()
    reports, _ = plain_loop(clock, "graff", options=options, probe=True)
    assert len([r for r in reports if "curvature" in r.metrics]) > 3
    for mine, plain in zip(train.reports, reports, strict=True):
        nan = float("nan")
        expected = pytest.approx(plain.metrics.get("probe_loss", nan), rel=1e-4, nan_ok=True)
        assert mine.metrics.get("probe_loss", nan) == expected


@pytest.mark.filterwarnings("ignore:The dirpath has changed")
@pytest.mark.parametrize(("planner", "optimizer"), [("graff", "AdamW"), ("graff", "SGD"), ("reactor", "AdamW")])
def test_a_resumed_training_follows_the_unbroken_one_bit_for_bit(clock, tmp_path, planner, optimizer):
    def new(folder):
        saver = ModelCheckpoint(tmp_path / folder, filename="{step}", every_n_train_steps=12, save_top_k=-1)
        return Train(clock, planner, module=Module(getattr(torch.optim, optimizer)), callbacks=[saver])

    unbroken = new("a")()
    clock.pass_by(1000)
    torch.rand(5)
    resumed = new("b")(ckpt_path=tmp_path / "a" / "step=12.ckpt", weights_only=True)
    assert [r.step for r in resumed.reports] == list(range(12, 31))
    assert [r.learning_rates for r in resumed.reports] == [r.learning_rates for r in unbroken.reports[12:]]
    assert [r.metrics for r in resumed.reports] == [r.metrics for r in unbroken.reports[12:]]
    assert all(torch.equal(a, b) for a, b in zip(unbroken.weights(), resumed.weights(), strict=True))
    assert resumed.budget.elapsed_s == 3.875


@pytest.mark.filterwarnings("ignore:The dirpath has changed")
def test_a_training_that_is_resumed_with_nothing_left_is_told_to_extend(clock, tmp_path):
    train = Train(clock, "linear")()
    train.trainer.save_checkpoint(tmp_path / "end.ckpt")
    with pytest.raises(GraffError, match=r"^budget of 4 s: 3.875 s are used, which leaves no step; call extend"):
        Train(clock, "linear")(ckpt_path=tmp_path / "end.ckpt", weights_only=True)


def test_a_scaler_is_seen_through_and_an_overflow_is_skipped(clock):
    module, train = Module(), None
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**14, growth_interval=1000)

    class Overflow(lightning.Callback):
        """Makes the gradient of the fifth step overflow."""

        def on_after_backward(self, trainer, pl_module):
            if trainer.global_step == 4:
                next(pl_module.parameters()).grad[0, 0] = float("inf")

    class Weights(lightning.Callback):
        def __init__(self):
            self.after = []

        def on_train_batch_end(self, trainer, pl_module, *_):
            self.after.append([p.detach().clone() for p in pl_module.parameters()])

    watch = Weights()
    train = Train(
        clock,
        "fixed",
        module=module,
        callbacks=[Overflow(), watch],
        enable_checkpointing=False,
        plugins=[MixedPrecision("16-mixed", "cpu", scaler)],
        max_steps=9,
    )()
    assert [r.skipped for r in train.reports] == [False] * 4 + [True] + [False] * (len(train.reports) - 5)
    assert train.callback.planner.skipped == {"non-finite gradient": 1}
    assert scaler.get_scale() == 2.0**13
    assert all(torch.equal(a, b) for a, b in zip(watch.after[3], watch.after[4], strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(watch.after[4], watch.after[5], strict=True))
    plain, _ = plain_loop(clock, "fixed")
    assert train.reports[0].loss == pytest.approx(plain[0].loss, rel=1e-2)


class Away(graff.Fixed):
    """Holds weights of zero while others look at them."""

    @contextmanager
    def evaluating(self):
        kept = [t.detach().clone() for t in self._tensors]
        torch._foreach_zero_([t.detach() for t in self._tensors])
        try:
            yield
        finally:
            torch._foreach_copy_([t.detach() for t in self._tensors], kept)


def test_an_evaluation_sees_the_planners_weights_and_counts_against_the_budget(clock, tmp_path):
    saver = ModelCheckpoint(tmp_path, filename="{step}", save_top_k=-1)
    train = Train(
        clock, Away, seconds=8.0, evaluation_s=1.0, callbacks=[saver], val_check_interval=6, num_sanity_val_steps=1
    )(validation=batches(1))
    assert train.module.seen[0] > 0  # the sanity check comes before the training
    assert set(train.module.seen[1:]) == {0.0}
    assert train.budget.step_s == 0.125
    assert len(train.module.seen) - 1 == -(-train.budget.steps // 6)
    assert 8.0 - 0.125 <= train.budget.elapsed_s <= 8.0 + 1.0
    plain = Train(clock, "fixed", max_steps=train.budget.steps)()
    assert all(torch.equal(a, b) for a, b in zip(train.weights(), plain.weights(), strict=True))
    saved = torch.load(tmp_path / "step=6.ckpt", weights_only=True)["state_dict"]
    assert max(float(w.abs().max()) for w in saved.values()) > 0


def test_an_evaluation_that_uses_the_budget_up_ends_the_training(clock):
    train = Train(clock, "linear", evaluation_s=100.0, val_check_interval=5, num_sanity_val_steps=0)(batches(1))
    assert train.budget.steps == 5


def test_the_metrics_reach_the_trainer(clock):
    train = Train(clock)()
    logged, last = train.trainer.logged_metrics, train.reports[-1]
    assert float(logged["planner/learning_rate"]) == pytest.approx(last.learning_rate)
    for key, value in last.metrics.items():
        assert float(logged[f"planner/{key}"]) == pytest.approx(value, rel=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"gradient_clip_val": 0.5},
            r"^gradient_clip_val of 0.5 in the Trainer: .*GraffCallback\(max_grad_norm=0.5\)$",
        ),
        ({"module": {"scheduler": True}}, "^a scheduler in configure_optimizers: .* return the optimizer alone$"),
        ({"module": {"automatic_optimization": False}}, "^manual optimization: .* call planner.step in your loop$"),
    ],
)
def test_what_a_planner_cannot_share_is_refused_in_one_line(clock, change, message):
    made = change.pop("module", {})
    module = Module(scheduler=made.get("scheduler", False))
    module.automatic_optimization = made.get("automatic_optimization", True)
    with pytest.raises(GraffError, match=message):
        Train(clock, module=module, **change)()


class Weighing(graff.Fixed):
    def weigh(self, token_losses, mask=None, *, of=None):
        return 2 * super().weigh(token_losses, mask, of=of)


class Bringing(graff.Fixed):
    def __init__(self, optimizer, model, budget, **options):
        super().__init__(torch.optim.SGD(model.parameters(), lr=0.1), model, budget, **options)


@pytest.mark.parametrize(
    ("planner", "message"),
    [
        (Weighing, "^planner 'fixed' in .* it weighs tokens"),
        (Bringing, "^planner 'fixed' in .* an optimizer of its own"),
    ],
)
def test_a_planner_that_needs_a_loop_of_its_own_is_refused(clock, planner, message):
    with pytest.raises(GraffError, match=message):
        Train(clock, planner)()


@pytest.mark.parametrize("name", ["transformers", "lightning"])
def test_a_missing_library_is_named(monkeypatch, name):
    module = f"graff.integrations.{name}"
    monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, f"{name}.pytorch", None)
    monkeypatch.delitem(sys.modules, module, raising=False)
    with pytest.raises(ImportError, match=rf"^{module} needs .*; install graff\[{name}\]$"):
        importlib.import_module(module)


def test_importing_graff_imports_neither_transformers_nor_lightning():
    program = "import sys, graff; print({'transformers', 'lightning', 'accelerate'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
