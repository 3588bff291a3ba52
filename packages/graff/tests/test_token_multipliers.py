"""The head that weighs tokens by their early entropy, and the lens that reads it."""

import math

import peft
import pytest
import torch
import transformers
from torch import nn
from torch.nn import functional

import graff
from graff.features import FEATURES
from graff.lens import Lens
from graff.planners import Planner
from graff.tokens import loss_derivatives, token_multipliers
from packages.graff.tests.ranks import in_two_ranks

VOCABULARY, WIDTH = 13, 6


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.map = nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        return (x + self.map(x).tanh(),)


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(VOCABULARY, WIDTH).requires_grad_(False)
        self.layers = nn.ModuleList(Layer() for _ in range(3))
        self.norm = nn.LayerNorm(WIDTH).requires_grad_(False)

    def forward(self, ids):
        x = self.embed(ids)
        for layer in self.layers:
            (x,) = layer(x)
        return self.norm(x)


class Small(nn.Module):
    """A causal language model with the accessors of transformers; its first layer is frozen."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(7)
        self.model = Decoder()
        self.model.layers[0].requires_grad_(False)
        self.head = nn.Linear(WIDTH, VOCABULARY, bias=False).requires_grad_(False)
        with torch.no_grad():
            self.head.weight.mul_(3.0)

    def get_decoder(self):
        return self.model

    def get_output_embeddings(self):
        return self.head

    def forward(self, ids):
        return self.head(self.model(ids))


def losses_of(model, ids):
    return functional.cross_entropy(model(ids)[:, :-1].transpose(1, 2), ids[:, 1:], reduction="none")


ALL = {"block_multipliers": True, "token_multipliers": True}
RESUMED = {**ALL, "probe_share": 0.3, "entropy_positions": 12}


class Run:
    """A small language model in double precision; ``advance`` makes steps of an eighth of a second each."""

    def __init__(self, clock, *, optimizer=torch.optim.AdamW, lr=1e-2, seconds=20.0, accumulate=1, **options):
        self.clock, self.accumulate = clock, accumulate
        self.model = Small().double()
        self.optimizer = optimizer([p for p in self.model.parameters() if p.requires_grad], lr=lr)
        self.budget = graff.Budget(seconds=seconds, clock=clock)
        self.planner = graff.Graff(self.optimizer, self.model, self.budget, max_grad_norm=1.0, **options)
        self.data = torch.Generator().manual_seed(3)
        self.reports = []

    def batch(self):
        ids = torch.randint(VOCABULARY, (4, 6), generator=self.data)
        mask = torch.rand(4, 5, generator=self.data) < 0.7
        return ids, mask

    def advance(self, steps, kind="tokens"):
        for _ in range(steps):
            micro = [self.batch() for _ in range(self.accumulate)]
            of = sum(float(mask.sum()) for _, mask in micro)
            for ids, mask in micro:
                self.planner.weigh(losses_of(self.model, ids), mask, of=of).backward()
            self.clock.pass_by(0.125)

            def probe(ids=micro[-1][0], mask=micro[-1][1]):
                if kind == "fails":
                    raise ZeroDivisionError
                self.clock.pass_by(1 / 1024)
                if kind == "too many":
                    return torch.ones(1000)
                losses = losses_of(self.model, ids)[mask]
                return losses.mean() if kind == "mean" else losses

            self.reports.append(self.planner.step(probe))
        return self.reports

    def weights(self):
        return [p.detach().clone() for p in self.model.parameters()]

    def state(self):
        parts = {key: getattr(self, key).state_dict() for key in ("model", "optimizer", "budget", "planner")}
        return parts | {"data": self.data.get_state()}

    def load(self, state):
        for key in ("model", "optimizer", "budget", "planner"):
            getattr(self, key).load_state_dict(state[key])
        self.data.set_state(state["data"])
        self.budget.start()


def same(left, right):
    return all(torch.equal(a, b) for a, b in zip(left, right, strict=True))


# -- the lens ----------------------------------------------------------------------------------------------------


def qwen3():
    torch.manual_seed(5)
    config = transformers.Qwen3Config(
        vocab_size=VOCABULARY,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=3,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        max_position_embeddings=16,
    )
    lora = peft.LoraConfig(r=2, target_modules=["q_proj", "v_proj"], layers_to_transform=[1, 2])
    return peft.get_peft_model(transformers.Qwen3ForCausalLM(config), lora).train()


def test_the_lens_reads_the_logits_after_the_first_adapted_layer_of_qwen3():
    model = qwen3()
    lens = Lens.of(nn.DataParallel(model))
    ids = torch.randint(VOCABULARY, (2, 7))
    outputs = model(input_ids=ids, output_hidden_states=True)
    hidden = lens.take()
    # The embedding comes first, then the state after each layer; layer 0 has no adapter.
    assert torch.equal(hidden, outputs.hidden_states[2])
    base = model.get_base_model()
    variance = hidden.pow(2).mean(-1, keepdim=True)
    normed = base.model.norm.weight * hidden * torch.rsqrt(variance + base.config.rms_norm_eps)
    expected = normed @ base.lm_head.weight.T
    torch.testing.assert_close(lens.logits(hidden.flatten(0, 1)).view(2, 7, -1), expected)
    probabilities = expected.softmax(-1)
    entropy = -(probabilities * probabilities.log()).sum(-1)
    torch.testing.assert_close(lens.entropies(hidden[0]), entropy[0])
    assert lens.take() is None


def test_the_lens_keeps_training_forwards_alone():
    model = qwen3()
    lens = Lens.of(model)
    ids = torch.randint(VOCABULARY, (2, 7))
    with torch.no_grad():
        model(input_ids=ids)
    assert lens.take() is None
    model.eval()
    model(input_ids=ids)
    assert lens.take() is None
    model.train()
    model.activation_checkpointing_enable({"use_reentrant": False})
    loss = model(input_ids=ids).logits.mean()
    assert lens.take() is not None
    loss.backward()  # which runs the layers once more
    assert lens.take() is None


@pytest.mark.parametrize("name", ["norm", "ln_f", "final_layernorm", "final_layer_norm"])
def test_a_model_without_the_parts_has_no_lens(name):
    assert Lens.of(None) is None
    assert Lens.of(nn.Linear(2, 2)) is None
    model = Small()
    norm = model.model.norm
    del model.model.norm
    assert Lens.of(model) is None
    setattr(model.model, name, norm)
    assert Lens.of(model) is not None
    model.requires_grad_(False)
    assert Lens.of(model) is None


# -- weighing ----------------------------------------------------------------------------------------------------


def steep(run, slope=1.5):
    run.planner._residual.token_slope = lambda: (slope, torch.zeros(16))
    return run


def test_the_gradient_is_weighted_with_mean_one_and_the_reported_loss_is_not(clock):
    run = steep(Run(clock, token_multipliers=True))
    ids, mask = run.batch()
    losses = losses_of(run.model, ids)
    hidden = run.planner._tokens.lens._hidden
    run.planner._tokens._generator.manual_seed(0)
    losses.retain_grad()
    loss = run.planner.weigh(losses, mask)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(float(losses.detach()[mask].mean()), rel=1e-12)
    entropies = torch.distributions.Categorical(logits=run.model.head(run.model.model.norm(hidden))).entropy()
    entropies = entropies[:, :-1][mask]
    raw = 2 * torch.sigmoid(1.5 * (entropies - entropies.mean()) / entropies.std(correction=0))
    multipliers = losses.grad[mask] * int(mask.sum())
    torch.testing.assert_close(multipliers, (raw / raw.mean()).detach())
    assert float(multipliers.mean()) == pytest.approx(1.0, abs=1e-12)
    assert float(multipliers.std()) > 0.3
    assert not losses.grad[~mask].any()
    assert run.planner._tokens.entropy()[0] == pytest.approx(float(entropies.detach().sum()))


def test_positions_that_are_not_drawn_share_one_multiplier_near_one(clock):
    run = steep(Run(clock, token_multipliers=True, entropy_positions=3))
    losses = losses_of(run.model, run.batch()[0])
    losses.retain_grad()
    run.planner.weigh(losses).backward()
    multipliers = (losses.grad * losses.numel()).flatten()
    most = multipliers.mode().values
    assert int((multipliers != most).sum()) == 3
    assert 0.8 < float(most) < 1.2
    assert run.planner._tokens.entropy()[1] == 3


def test_every_form_of_mask_weighs_alike(clock):
    def gradient(form):
        run = steep(Run(clock, token_multipliers=True))
        ids, mask = run.batch()
        losses = losses_of(run.model, ids)
        wide = functional.pad(mask, (0, 1))
        if form == "list":
            run.planner.weigh(losses[mask], mask).backward()
        elif form == "list, wide":
            run.planner.weigh(losses[mask], wide).backward()
        elif form == "wide":
            run.planner.weigh(functional.pad(losses, (0, 1), value=math.nan), wide).backward()
        else:
            run.planner.weigh(losses, mask.long()).backward()
        assert run.planner._tokens.counts["token_head_missing"] == 0
        return torch.cat([p.grad.flatten() for p in run.model.parameters() if p.grad is not None])

    expected = gradient("narrow")
    for form in ("list", "list, wide", "wide"):
        torch.testing.assert_close(gradient(form), expected)


def test_what_does_not_fit_is_counted_and_weighs_all_tokens_alike(new_run, clock):
    run = steep(Run(clock, token_multipliers=True))
    ids, mask = run.batch()
    losses = losses_of(run.model, ids)
    losses.retain_grad()
    run.planner.weigh(losses.flatten(), mask.flatten()).backward()
    torch.testing.assert_close(losses.grad[mask], torch.full((int(mask.sum()),), 1 / int(mask.sum())).double())
    assert run.planner._tokens.counts["token_head_missing"] == 1
    plain, headed = new_run("graff", clock), new_run("graff", clock, token_multipliers=True)
    plain.advance(8)
    assert headed.advance(8)[-1].metrics["token_head_missing"] == 8
    assert new_run.same(plain.weights(), headed.weights())


def test_a_lens_that_fails_or_sees_no_number_weighs_all_tokens_alike(clock, caplog):
    run = steep(Run(clock, token_multipliers=True))
    for broken in (lambda hidden: 1 / 0, lambda hidden: torch.full((len(hidden),), math.nan)):
        run.planner._tokens.lens.entropies = broken
        losses = losses_of(run.model, run.batch()[0])
        losses.retain_grad()
        run.planner.weigh(losses).backward()
        torch.testing.assert_close(losses.grad, torch.full_like(losses, 1 / 20))
    assert run.planner._tokens.counts["token_head_missing"] == 1
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("averaging", [True, False])
def test_with_weights_of_zero_the_run_is_the_same_to_the_last_bit(clock, averaging):
    options = {"averaging": averaging, "probe_share": 0.3, "learn": False, "budget_feature": False}
    plain, neutral = Run(clock, **options), Run(clock, **ALL, **options)
    plain.advance(20)
    metrics = neutral.advance(20)[-1].metrics
    assert (metrics["token_head_missing"], metrics["block_multiplier_max"]) == (0, 1)
    assert same(plain.weights(), neutral.weights())


def test_multipliers_have_mean_one_and_are_one_for_a_slope_of_zero():
    z = torch.randn(50)
    assert torch.equal(token_multipliers(z, 0.0), torch.ones(50))
    for slope in (-40.0, 0.3, 5.0):
        assert float(token_multipliers(z.double(), slope).mean()) == pytest.approx(1.0, abs=1e-12)


# -- the entropy feature -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["entropy", "token_multipliers"])
def test_the_measured_entropy_is_a_feature_and_an_observed_one_wins(clock, option):
    run = Run(clock, **{option: True}, accumulate=2)
    seen = []
    standardise = run.planner._standardizer
    run.planner._standardizer = lambda raw: seen.append(raw[0, FEATURES.index("entropy")].item()) or standardise(raw)
    entropies = []
    own = run.planner._tokens.lens.entropies
    run.planner._tokens.lens.entropies = lambda hidden: entropies.append(own(hidden)) or entropies[-1]
    run.advance(1)
    assert seen[0] == pytest.approx(float(torch.cat(entropies).mean()))
    assert 0.5 < seen[0] < math.log(VOCABULARY)
    run.planner.observe(entropy=0.25)
    run.advance(1)
    assert seen[1] == 0.25
    assert Run(clock).planner._tokens is None


# -- learning ----------------------------------------------------------------------------------------------------


def test_the_derivative_of_every_tokens_loss_is_that_of_autograd_and_the_weights_come_back():
    model = Small().double()
    tensors = [p for p in model.parameters() if p.requires_grad]
    ids = torch.randint(VOCABULARY, (2, 5))
    steps = [torch.randn_like(t) for t in tensors]
    before = [t.detach().clone() for t in tensors]
    told = loss_derivatives(lambda: losses_of(model, ids), tensors, steps, reach=1e-4)
    assert same(before, tensors)
    for loss, along in zip(losses_of(model, ids).flatten(), told, strict=True):
        gradients = torch.autograd.grad(loss, tensors, retain_graph=True)
        expected = sum((g * s).sum() for g, s in zip(gradients, steps, strict=True))
        assert float(along) == pytest.approx(float(expected), rel=1e-6)


@pytest.mark.parametrize("averaging", [True, False])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_the_derivative_by_the_token_head_is_that_of_the_next_loss(clock, optimizer, averaging):
    """Two real steps; the first one's token multipliers are perturbed, against central differences, to 1e-2.

    It includes multipliers of blocks. The rates are small, because the gradients of the tokens are read one step later
    than they acted, and Adam's second moment is an old one, because it is taken as given.
    """

    def run(by):
        rate, kind = (1e-5, torch.optim.AdamW) if optimizer == "adamw" else (1e-4, torch.optim.SGD)
        own = {"block_multipliers": True, "averaging": averaging, "seek": False, "probe_share": 0.9}
        one = Run(clock, optimizer=kind, lr=rate, warmup_fraction=0.0, token_multipliers=True, **own)
        # The perturbed gradient must not change rate and multipliers of its own step.
        residual = one.planner._residual
        residual.learn = lambda *_: None
        residual.decoder.log_multipliers = lambda state: torch.tensor([0.3, -0.3], dtype=torch.float64)
        one.planner._max_grad_norm = None  # clipping is taken as given, too
        one.advance(4, "mean")
        for state in one.optimizer.state.values():
            if optimizer == "adamw":
                state["exp_avg_sq"].copy_(torch.rand(state["exp_avg_sq"].shape, generator=one.data) + 0.1)
                state["step"].fill_(50_000)
        for group in one.optimizer.param_groups:
            if optimizer == "adamw":
                group["betas"] = (group["betas"][0], 0.99999)
        slope, direction = residual.token_slope()
        residual.token_slope = lambda: (slope + 0.8 + by, direction)
        one.planner._tokens._turn = True
        one.advance(1)
        residual.token_slope = lambda: (0.0, direction)  # the next gradient has to be that of the loss reported
        return one.advance(1)[-1]

    report = run(0.0)
    assert report.metrics["token_probe_failures"] == 0
    numeric = (run(1e-3).loss - run(-1e-3).loss) / 2e-3
    assert report.metrics["token_hypergradient"] == pytest.approx(numeric, rel=1e-2)


def test_the_head_learns_by_the_derivative_of_its_slope(clock):
    run = Run(clock, token_multipliers=True, seek=False, probe_share=0.9)
    run.advance(4)
    run.planner._tokens._turn = True
    _, direction = run.planner._residual.token_slope()
    run.advance(1)
    assert not run.planner._residual.decoder.token_weight.any()
    by_slope = run.advance(1)[-1].metrics["token_hypergradient"]
    residual = run.planner._residual
    told = residual._heads["token_weight"].state[residual.decoder.token_weight]["exp_avg"] / (1 - 0.9)
    torch.testing.assert_close(told, direction / direction.norm() * math.copysign(1.0, by_slope))
    moved = run.planner._residual.decoder.token_weight.detach()
    assert float(moved @ direction) * by_slope < 0


def test_a_clipped_batch_has_its_share_of_the_gradient(clock):
    run = Run(clock, token_multipliers=True, seek=False, probe_share=0.9)
    run.planner._max_grad_norm = 0.01
    run.advance(4)
    run.planner._tokens._turn = True
    metrics = run.advance(1)[-1].metrics
    share = 0.01 / metrics["grad_norm"] / metrics["tokens"]
    assert run.planner._tokens._waiting.share == pytest.approx(share, rel=1e-3)


def test_affordable_probes_alternate_and_stay_within_their_share(clock):
    run = Run(clock, token_multipliers=True, seek=False, probe_share=0.05)
    last = run.advance(120)[-1].metrics
    assert last["token_probes"] > 5
    assert abs(last["probes"] - 2 * last["token_probes"]) <= 1
    assert last["probe_s"] <= 0.05 * run.budget.elapsed_s
    assert last["token_probe_failures"] == last["probe_failures"] == 0
    assert run.planner._residual.decoder.token_weight.any()
    frozen = Run(clock, token_multipliers=True, seek=False, probe_share=0.05, learn=False)
    assert frozen.advance(40)[-1].metrics["token_probes"] == 0


@pytest.mark.parametrize("kind", ["fails", "too many", "mean"])
def test_a_probe_that_tells_nothing_leaves_the_head_and_the_weights_alone(clock, kind):
    run, other = (Run(clock, token_multipliers=True, seek=False, probe_share=0.5) for _ in range(2))
    last = run.advance(25, kind)[-1].metrics
    assert last["token_probe_failures"] == last["token_probes"] > 0
    assert not run.planner._residual.decoder.token_weight.any()
    assert (last["token_probes"] == 1) == (kind == "mean")  # a mean never tells anything
    other.planner._tokens._means_alone = True
    other.advance(25, kind)
    if kind == "fails":
        assert same(run.weights(), other.weights())


def test_a_loop_that_never_weighs_is_told_so(clock):
    run = Run(clock, token_multipliers=True)
    assert type(run.planner).weigh is Planner.weigh  # which loops of other libraries ask for
    losses = losses_of(run.model, run.batch()[0])
    losses.mean().backward()
    run.planner.note(losses.detach().sum(), losses.numel())
    with pytest.raises(graff.GraffError, match=r"^token_multipliers in a loop that does not call weigh: "):
        run.planner.step()
    run = Run(clock, entropy=True)
    losses = losses_of(run.model, run.batch()[0])
    losses.mean().backward()
    run.planner.note(losses.detach().sum(), losses.numel())
    assert not run.planner.step().skipped


def test_the_callers_random_numbers_are_not_touched(clock):
    run = Run(clock, **ALL, seek=False, probe_share=0.5)
    torch.manual_seed(9)
    run.advance(12)
    drawn = torch.rand(1)
    torch.manual_seed(9)
    assert torch.equal(drawn, torch.rand(1))
    assert run.reports[-1].metrics["token_probes"] > 1


@pytest.mark.parametrize("averaging", [True, False])
@pytest.mark.parametrize("after", range(8, 13))
def test_a_resumed_run_with_all_heads_follows_bit_for_bit(clock, tmp_path, averaging, after):
    unbroken = Run(clock, averaging=averaging, **RESUMED)
    unbroken.advance(after)
    torch.save(unbroken.state(), tmp_path / "state.pt")
    end = unbroken.advance(20)[after:]
    clock.pass_by(1000)
    resumed = Run(clock, averaging=averaging, **RESUMED)
    torch.rand(5)
    resumed.load(torch.load(tmp_path / "state.pt", weights_only=True))
    again = resumed.advance(20)
    assert same(unbroken.weights(), resumed.weights())
    assert [r.metrics for r in end] == [r.metrics for r in again]
    assert end[-1].metrics["token_slope"] != 0
    assert end[-1].metrics["token_probe_failures"] < end[-1].metrics["token_probes"]


def test_an_option_out_of_its_range_is_one_line(clock):
    with pytest.raises(graff.GraffError, match=r"^entropy_positions of 0: it is "):
        Run(clock, entropy=True, entropy_positions=0)


# -- two ranks ---------------------------------------------------------------------------------------------------


def _train_both(rank):
    return [_train(rank, averaging) for averaging in (True, False)]


def _train(rank, averaging):
    now = [100.0 * rank]
    model = Small()
    parallel = nn.parallel.DistributedDataParallel(model)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    budget = graff.Budget(seconds=5, clock=lambda: now[0])
    planner = graff.Graff(optimizer, parallel, budget, averaging=averaging, probe_share=0.3, seek=False, **ALL)
    data, hypergradients = torch.Generator().manual_seed(rank), []
    for step in range(30):
        ids = torch.randint(VOCABULARY, (3 + rank, 6), generator=data)
        losses = losses_of(parallel, ids)
        planner.weigh(losses, of=35 / 2).backward()
        now[0] += 0.125 if rank == 0 else 0.375
        report = planner.step(lambda ids=ids: losses_of(model, ids[:2]))
        hypergradients.append(report.metrics.get("token_hypergradient"))
        if rank == 0 and step == 20:
            planner.state_dict()  # a checkpoint is written by one rank
    keys = ("token_slope", "token_probes", "token_probe_failures", "block_multiplier_max", "log_residual")
    weights = torch.cat([p.detach().flatten() for p in model.parameters()]).tolist()
    return {key: report.metrics[key] for key in keys}, weights, hypergradients


def test_two_ranks_learn_the_same_heads():
    first, second = in_two_ranks(_train_both)
    assert first == second
    for metrics, _, hypergradients in first:
        assert metrics["token_probes"] > metrics["token_probe_failures"]
        assert metrics["token_slope"] != 0
        assert metrics["block_multiplier_max"] > 1
        assert any(hypergradients)
