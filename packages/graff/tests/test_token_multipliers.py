"""The head that weighs tokens by their early entropy, and the lens that reads it."""

import math

import peft
import pytest
import torch
import transformers
from torch import nn
from torch.nn import functional

from graff.features import FEATURES
from graff.lens import Lens
from graff.tokens import token_multipliers
from packages.graff.tests.small_decoders import ALL, VOCABULARY, Run, Small, losses_of, same, steep

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
