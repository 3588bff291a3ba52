import json
import math
from contextlib import contextmanager

import peft
import pytest
import torch
import transformers
from torch.nn import functional
from transformers import TrainerCallback

import graff
from graff import GraffError
from graff.integrations.transformers import GraffCallback

VOCABULARY = 23
LEARNED = {"outer_lr": 2e-3, "probe_share": 0.0}


def a_model(adapters=True):
    torch.manual_seed(5)
    config = transformers.LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=16,
    )
    model = transformers.LlamaForCausalLM(config)
    if not adapters:
        return model
    torch.manual_seed(6)
    lora = peft.LoraConfig(r=2, target_modules=["q_proj", "v_proj"], lora_dropout=0.0, task_type="CAUSAL_LM")
    return peft.get_peft_model(model, lora)


def examples(number):
    """Sequences that count upwards, each with another number of counted tokens."""
    generator = torch.Generator().manual_seed(8)
    rows = []
    for i in range(number):
        start = int(torch.randint(VOCABULARY, (), generator=generator))
        ids = (start + torch.arange(8)) % VOCABULARY
        labels = ids.clone()
        labels[: 1 + i % 5] = -100
        rows.append({"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels})
    return rows


class Ticks(TrainerCallback):
    """Passes an eighth of a second at every step, right before the optimizer's."""

    def __init__(self, clock):
        self.clock = clock

    def on_pre_optimizer_step(self, *_, **__):
        self.clock.pass_by(0.125)


class Train:
    """A run of the Trainer; the batches that it saw and the reports of the planner are kept."""

    def __init__(self, clock, folder, planner="graff", *, model=None, seconds=2.0, data=32, callbacks=(), **options):
        own = ("max_grad_norm", "planner_options", "compute_loss_func", "eval_dataset", "train_dataset")
        mine = {key: options.pop(key) for key in own if key in options}
        self.batches, self.reports = [], []
        self.model = a_model() if model is None else model
        self.budget = graff.Budget(seconds=seconds, clock=clock)
        self.callback = GraffCallback(
            planner,
            budget=self.budget,
            max_grad_norm=mine.get("max_grad_norm", 1.0),
            on_report=self.reports.append,
            **mine.get("planner_options", LEARNED if planner == "graff" else {}),
        )
        settings = {
            "per_device_train_batch_size": 4,
            "learning_rate": 1e-2,
            "weight_decay": 0.1,
            "optim": "adamw_torch",
            "max_grad_norm": 0.0,
            "lr_scheduler_type": "cosine",
            "warmup_steps": 3,
            "num_train_epochs": 100,
            "logging_steps": 1,
            "save_strategy": "no",
            "report_to": [],
            "use_cpu": True,
            "disable_tqdm": True,
            "label_names": ["labels"],
            "seed": 3,
        }
        watch = mine.get("compute_loss_func")
        self.trainer = transformers.Trainer(
            self.model,
            transformers.TrainingArguments(str(folder), **(settings | options)),
            train_dataset=mine.get("train_dataset", examples(data)),
            eval_dataset=mine.get("eval_dataset"),
            data_collator=self.collate,
            callbacks=[Ticks(clock), *callbacks, self.callback],
            compute_loss_func=watch and self.callback.watch(watch),
        )
        self.trainer.remove_callback(transformers.PrinterCallback)

    def collate(self, rows):
        batch = transformers.default_data_collator(rows)
        self.batches.append({key: value.clone() for key, value in batch.items()})
        return batch

    def __call__(self, **kwargs):
        self.trainer.train(**kwargs)
        return self

    @property
    def logs(self):
        return [entry for entry in self.trainer.state.log_history if "learning_rate" in entry]

    def weights(self):
        return [p.detach().clone() for p in self.model.parameters() if p.requires_grad]


def token_losses(logits, labels):
    losses = functional.cross_entropy(logits[:, :-1].transpose(1, 2), labels[:, 1:], reduction="none")
    return losses, labels[:, 1:] != -100


def plain_loop(clock, train, planner, *, accumulate=1, probe=False):
    """The loop of the README on the batches that the Trainer saw."""
    model = a_model().train()
    tensors = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW([{"params": tensors}, {"params": []}], lr=1e-2, weight_decay=0.1)
    budget = graff.Budget(seconds=2.0, clock=clock)
    options = {"outer_lr": 2e-3, "probe_share": 0.9 if probe else 0.0} if planner == "graff" else {}
    made = graff.planners.make(planner, optimizer=optimizer, model=model, budget=budget, max_grad_norm=1.0, **options)
    reports = []
    micro_batches = iter(train.batches)
    while not budget.spent:
        batch = [next(micro_batches) for _ in range(accumulate)]
        tokens = sum(int((micro["labels"][:, 1:] != -100).sum()) for micro in batch)
        for micro in batch:
            losses, mask = token_losses(model(**micro | {"labels": None}).logits, micro["labels"])
            made.weigh(losses, mask, of=tokens).backward()

        def loss_of_half(micro=batch[-1]):
            clock.pass_by(1 / 1024)
            half = {key: value[: len(value) // 2] for key, value in micro.items()}
            losses, mask = token_losses(model(**half | {"labels": None}).logits, half["labels"])
            return losses[mask].mean()

        clock.pass_by(0.125)
        reports.append(made.step(loss_of_half if probe else None))
    return reports, [p.detach() for p in tensors]


@pytest.mark.parametrize(("planner", "accumulate"), [("linear", 1), ("graff", 1), ("graff", 2), ("reactor", 1)])
def test_it_trains_as_the_plain_loop_does_and_stops_on_the_budget(clock, tmp_path, planner, accumulate):
    train = Train(clock, tmp_path, planner, gradient_accumulation_steps=accumulate)()
    reports, weights = plain_loop(clock, train, planner, accumulate=accumulate)
    assert train.trainer.state.global_step == train.budget.steps == len(reports) == 15
    for mine, plain in zip(train.reports, reports, strict=True):
        assert mine.loss == pytest.approx(plain.loss, rel=1e-5)
        assert mine.learning_rates == pytest.approx(plain.learning_rates, rel=1e-3)
        assert mine.metrics["tokens"] == plain.metrics["tokens"]
    if planner == "linear":
        assert [r.learning_rates for r in train.reports] == [r.learning_rates for r in reports]
    for mine, plain in zip(train.weights(), weights, strict=True):
        torch.testing.assert_close(mine, plain, rtol=1e-3, atol=1e-5)
    assert train.reports[-1].loss < train.reports[0].loss


def test_the_rates_that_the_trainer_logs_are_the_planners(clock, tmp_path):
    train = Train(clock, tmp_path)()
    assert [entry["learning_rate"] for entry in train.logs] == [r.learning_rates[0] for r in train.reports]
    assert len({r.learning_rate for r in train.reports}) == 15
    for entry, report in zip(train.logs, train.reports, strict=True):
        # The Trainer's mean over the log interval of one step is this step's loss.
        assert entry["loss"] == pytest.approx(report.loss, rel=1e-5)
        assert {key: entry[f"planner/{key}"] for key in report.metrics} == report.metrics
        assert entry["planner/grad_norm"] == pytest.approx(entry["grad_norm"], rel=1e-4)


def test_probes_evaluate_half_of_the_last_micro_batch_and_leave_no_trace(clock, tmp_path):
    class Slow(TrainerCallback):
        """Makes every forward pass outside of the training steps take time, as in the plain loop."""

        def on_train_begin(self, args, state, control, *, model, **kwargs):
            self.calls, own = 0, model.forward

            def forward(*args, **kwargs):
                if not torch.is_grad_enabled():
                    self.calls += 1
                    clock.pass_by(1 / 1024)
                return own(*args, **kwargs)

            model.forward = forward

    slow = Slow()
    options = {"outer_lr": 2e-3, "probe_share": 0.9}
    train = Train(clock, tmp_path, planner_options=options, callbacks=[slow])()
    reports, _ = plain_loop(clock, train, "graff", probe=True)
    probed = [r for r in reports if "curvature" in r.metrics]
    assert len(probed) > 2
    assert slow.calls >= 2 * len(probed)
    for mine, plain in zip(train.reports, reports, strict=True):
        assert ("curvature" in mine.metrics) == ("curvature" in plain.metrics)
        if "probe_loss" in plain.metrics:
            assert mine.metrics["probe_loss"] == pytest.approx(plain.metrics["probe_loss"], rel=1e-4)
        assert mine.loss == pytest.approx(plain.loss, rel=1e-3)
        assert mine.metrics["tokens"] == plain.metrics["tokens"]


@pytest.mark.parametrize(("planner", "optim"), [("graff", "adamw_torch"), ("graff", "sgd"), ("reactor", "adamw_torch")])
def test_a_resumed_training_follows_the_unbroken_one_bit_for_bit(clock, tmp_path, planner, optim):
    settings = {"save_strategy": "steps", "save_steps": 6, "optim": optim, "data": 16}
    unbroken = Train(clock, tmp_path / "a", planner, **settings)()
    clock.pass_by(1000)
    torch.rand(5)
    resumed = Train(clock, tmp_path / "b", planner, **settings)
    resumed(resume_from_checkpoint=str(tmp_path / "a" / "checkpoint-6"))
    assert [r.step for r in resumed.reports] == list(range(6, 15))
    assert [r.learning_rates for r in resumed.reports] == [r.learning_rates for r in unbroken.reports[6:]]
    assert [r.metrics for r in resumed.reports] == [r.metrics for r in unbroken.reports[6:]]
    assert all(torch.equal(a, b) for a, b in zip(unbroken.weights(), resumed.weights(), strict=True))
    assert resumed.budget.elapsed_s == 1.875


def test_a_training_that_is_resumed_with_nothing_left_is_told_to_extend(clock, tmp_path):
    settings = {"save_strategy": "steps", "save_steps": 10}
    Train(clock, tmp_path, "linear", **settings)()
    # The budget's last step saves, whatever the interval is.
    last = tmp_path / "checkpoint-15"
    assert json.loads((last / "trainer_state.json").read_text())["global_step"] == 15
    again = Train(clock, tmp_path, "linear", **settings)
    with pytest.raises(GraffError, match=r"^budget of 2 s: 1.875 s are used, which leaves no step; call extend"):
        again(resume_from_checkpoint=True)


def test_a_checkpoint_of_another_kind_is_refused_in_one_line(clock, tmp_path):
    settings = {"save_strategy": "steps", "save_steps": 5, "max_steps": 5}
    Train(clock, tmp_path, "linear", **settings)()
    with pytest.raises(GraffError, match=r"^state of the planner 'linear': this is 'fixed'"):
        Train(clock, tmp_path, "fixed", **settings)(resume_from_checkpoint=True)
    path = tmp_path / "checkpoint-5" / "trainer_state.json"
    state = json.loads(path.read_text())
    del state["stateful_callbacks"]["GraffCallback"]
    path.write_text(json.dumps(state))
    with pytest.raises(GraffError, match=r"^checkpoint of step 5: it was saved without a GraffCallback"):
        Train(clock, tmp_path, "linear", **settings)(resume_from_checkpoint=True)


def test_a_clipping_trainer_is_told_who_clips(clock, tmp_path):
    train = Train(clock, tmp_path)
    train.trainer.args.max_grad_norm = 0.5
    with pytest.raises(GraffError, match=r"^max_grad_norm of 0.5 in the TrainingArguments.*max_grad_norm=0.5\)$"):
        train()


def test_a_callback_without_a_budget_is_told_to_have_one():
    with pytest.raises(GraffError, match=r"^budget of None: a callback needs a graff.Budget"):
        GraffCallback("linear")
    with pytest.raises(GraffError, match=r"^budget of 30: a callback needs a graff.Budget"):
        GraffCallback("linear", budget=30)
    with pytest.raises(GraffError, match=r"^planner 'adam'"):
        GraffCallback("adam", budget=graff.Budget(seconds=1))
    with pytest.raises(GraffError, match=r"^planner before the training"):
        GraffCallback("linear", budget=graff.Budget(seconds=1)).planner  # noqa: B018


def a_loss(outputs, labels, num_items_in_batch=None):
    losses, mask = token_losses(outputs.logits, labels)
    return (losses * mask).sum() / num_items_in_batch


def test_a_loss_function_of_ones_own_is_watched(clock, tmp_path):
    own = Train(clock, tmp_path / "a", compute_loss_func=a_loss, gradient_accumulation_steps=2)()
    models = Train(clock, tmp_path / "b", gradient_accumulation_steps=2)()
    assert own.reports[0].loss == pytest.approx(math.log(VOCABULARY), rel=0.1)
    for a, b in zip(own.reports, models.reports, strict=True):
        assert a.loss == pytest.approx(b.loss, rel=1e-4)
        assert a.metrics["tokens"] == b.metrics["tokens"]


def test_a_loss_that_nobody_watches_is_told_how(clock, tmp_path):
    train = Train(clock, tmp_path)
    train.trainer.compute_loss_func = a_loss
    with pytest.raises(GraffError, match=r"^step without a loss.*compute_loss_func=callback.watch"):
        train()


def test_a_bad_batch_is_skipped_and_the_training_goes_on(clock, tmp_path):
    rows = examples(32)
    for row in rows[:8]:
        row["labels"] = torch.full_like(row["labels"], -100)

    class Watch(TrainerCallback):
        def __init__(self):
            self.weights = []

        def on_step_end(self, args, state, control, *, model, **kwargs):
            self.weights.append([p.detach().clone() for p in model.parameters() if p.requires_grad])

    watch = Watch()
    train = Train(
        clock, tmp_path, train_dataset=rows, train_sampling_strategy="sequential", callbacks=[watch], max_steps=12
    )()
    skipped = [i for i, r in enumerate(train.reports) if r.skipped]
    assert skipped == [0, 1, 8, 9]
    assert train.callback.planner.skipped == {"empty batch": 4}
    for i in (1, 8, 9):
        assert all(torch.equal(a, b) for a, b in zip(watch.weights[i], watch.weights[i - 1], strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(watch.weights[7], watch.weights[6], strict=True))


class Away(graff.Fixed):
    """Holds weights of zero while others look at them."""

    log = ()

    @contextmanager
    def evaluating(self):
        kept = [t.detach().clone() for t in self._tensors]
        torch._foreach_zero_([t.detach() for t in self._tensors])
        try:
            yield
        finally:
            torch._foreach_copy_([t.detach() for t in self._tensors], kept)


def test_every_evaluation_sees_the_planners_weights_and_training_goes_on_with_its_own(clock, tmp_path):
    class Look(TrainerCallback):
        """Notes what an evaluation sees, and lets a second pass by in each of its batches."""

        def __init__(self):
            self.seen = []

        def on_prediction_step(self, *args, model, **kwargs):
            self.seen.append(max(float(p.detach().abs().max()) for p in model.parameters() if p.requires_grad))
            clock.pass_by(1.0)

    look = Look()
    train = Train(
        clock,
        tmp_path,
        Away,
        seconds=13.0,
        eval_dataset={"a": examples(4), "b": examples(4)},
        per_device_eval_batch_size=4,
        eval_strategy="steps",
        eval_steps=10,
        save_strategy="steps",
        save_steps=10,
        callbacks=[look],
    )()
    assert set(look.seen) == {0.0}
    plain = Train(clock, tmp_path / "plain", "fixed", seconds=1e3, max_steps=train.budget.steps)()
    assert all(torch.equal(a, b) for a, b in zip(train.weights(), plain.weights(), strict=True))
    # Evaluations count against the budget and not as steps, or the last of them would have ended the training.
    assert train.budget.step_s == 0.125
    assert len(look.seen) == 2 * -(-train.budget.steps // 10)
    saved = torch.load(tmp_path / "checkpoint-10" / "optimizer.pt", weights_only=True)
    assert saved["state"]
    loaded = peft.PeftModel.from_pretrained(a_model(adapters=False), tmp_path / "checkpoint-10")
    assert any(float(p.detach().abs().max()) > 0 for n, p in loaded.named_parameters() if "lora_B" in n)


def test_an_evaluation_that_uses_the_budget_up_ends_the_training(clock, tmp_path):
    class Slow(TrainerCallback):
        def on_prediction_step(self, *_, **__):
            clock.pass_by(100.0)

    train = Train(
        clock,
        tmp_path,
        "linear",
        eval_dataset=examples(4),
        eval_strategy="steps",
        eval_steps=5,
        save_strategy="steps",
        save_steps=100,
        callbacks=[Slow()],
    )()
    assert train.trainer.state.global_step == 5
    assert (tmp_path / "checkpoint-5").is_dir()


def test_a_second_training_of_the_same_trainer_watches_the_model_once(clock, tmp_path):
    train = Train(clock, tmp_path, "linear", seconds=50.0, max_steps=3)()
    assert not train.model._forward_hooks
    train()
    assert [r.loss for r in train.reports[3:]] != [r.loss for r in train.reports[:3]]
    assert all(r.metrics["tokens"] < 4 * 8 for r in train.reports)
    assert train.budget.steps == 6
