"""Models with and without adapters, checkpointed activations, compiled modules."""

import peft
import pytest
import torch
import transformers
from torch import nn
from torch.nn import functional

import graff
from graff.blocks import find_blocks
from graff.hypergradient import trainable_tensors

VOCABULARY = 19
LEARNED = {"outer_lr": 2e-3, "probe_share": 0.3}


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
        return model.train()
    torch.manual_seed(6)
    lora = peft.LoraConfig(r=2, target_modules=["q_proj", "v_proj", "down_proj"], lora_dropout=0.0)
    return peft.get_peft_model(model, lora).train()


def an_optimizer(model, optimizer=torch.optim.AdamW):
    return optimizer([p for p in model.parameters() if p.requires_grad], lr=1e-2)


def token_losses(model, ids):
    logits = model(input_ids=ids).logits[:, :-1]
    return functional.cross_entropy(logits.transpose(1, 2), ids[:, 1:], reduction="none")


def train(model, clock, name="graff", steps=12, forward=None, **options):
    """Train ``model``; the forward pass may go through a wrapper of it. Returns the reports and the planner."""
    forward = model if forward is None else forward
    budget = graff.Budget(seconds=4.0, clock=clock)
    options = options or (LEARNED if name == "graff" else {})
    planner = graff.planners.make(
        name, optimizer=an_optimizer(model), model=forward, budget=budget, max_grad_norm=1.0, **options
    )
    data, reports = torch.Generator().manual_seed(1), []
    for _ in range(steps):
        ids = (torch.randint(VOCABULARY, (4, 1), generator=data) + torch.arange(8)) % VOCABULARY
        planner.weigh(token_losses(forward, ids)).backward()
        clock.pass_by(0.125)

        def loss_of_half(ids=ids):
            clock.pass_by(1 / 1024)
            return token_losses(forward, ids[:2]).mean()

        reports.append(planner.step(loss_of_half))
    return reports, planner


def weights(model):
    return [p.detach() for p in model.parameters() if p.requires_grad]


@pytest.mark.parametrize("adapters", [True, False])
@pytest.mark.parametrize("name", ["linear", "graff", "reactor"])
def test_models_with_and_without_adapters_train(clock, name, adapters):
    model = a_model(adapters)
    reports, planner = train(model, clock, name, steps=20)
    assert sum(r.loss for r in reports[-4:]) < 0.99 * sum(r.loss for r in reports[:4])
    assert len({r.learning_rate for r in reports}) > 15
    if name == "graff":
        assert reports[-1].metrics["probes"] > 0
        assert reports[-1].metrics["probe_failures"] == 0
        assert any("q_proj" in block for block in planner.blocks.names)
        # One block for each adapted module; without adapters also the norms, the embedding and the head.
        assert len(planner.blocks.names) == (6 if adapters else 2 * 9 + 3)


@pytest.mark.parametrize("adapters", [True, False])
def test_checkpointed_activations_change_nothing(clock, adapters):
    plain, checkpointed = a_model(adapters), a_model(adapters)
    checkpointed.activation_checkpointing_enable({"use_reentrant": False})
    layer = next(m for m in checkpointed.modules() if type(m).__name__ == "LlamaDecoderLayer")
    calls = []
    layer.self_attn.register_forward_hook(lambda *_: calls.append(torch.is_grad_enabled()))
    without, _ = train(plain, clock)
    within, _ = train(checkpointed, clock)
    assert calls.count(True) == 2 * 12  # the forward pass, and once more in the backward pass
    assert [r.learning_rates for r in within] == [r.learning_rates for r in without]
    assert [r.loss for r in within] == [r.loss for r in without]
    assert all(torch.equal(a, b) for a, b in zip(weights(plain), weights(checkpointed), strict=True))


@pytest.mark.parametrize("adapters", [True, False])
def test_the_blocks_of_a_wrapped_model_are_those_of_the_model(adapters):
    model = a_model(adapters)
    tensors, groups = trainable_tensors(an_optimizer(model))
    plain = find_blocks(model, tensors, groups)
    whole = torch.compile(model, backend="eager")
    parallel = nn.DataParallel(model)
    assert find_blocks(whole, tensors, groups) == plain
    assert find_blocks(parallel, tensors, groups) == plain
    assert find_blocks(torch.compile(parallel, backend="eager"), tensors, groups) == plain
    assert find_blocks(nn.DataParallel(whole), tensors, groups) == plain
    layers = (model.base_model.model if adapters else model).model.layers
    for i, layer in enumerate(layers):
        layers[i] = torch.compile(layer, backend="eager")
    assert find_blocks(model, tensors, groups) == plain


def test_a_module_whose_own_name_holds_the_word_module_keeps_it():
    model = nn.ModuleDict({"submodule": nn.Linear(2, 2), "head": nn.ModuleDict({"module": nn.Linear(2, 2)})})
    tensors = list(model.parameters())
    for wrapped in (model, nn.DataParallel(model)):
        blocks = find_blocks(wrapped, tensors, [0] * len(tensors))
        assert blocks.names == ("submodule", "head.module")
        assert blocks.owner == (0, 0, 1, 1)


@pytest.mark.parametrize("adapters", [True, False])
def test_a_compiled_model_follows_the_uncompiled_one(clock, adapters):
    class Small(nn.Module):
        """The embedding and the head of a language model; a whole one takes ten seconds to compile."""

        def __init__(self):
            super().__init__()
            torch.manual_seed(5)
            self.embed, self.up = nn.Embedding(VOCABULARY, 8), nn.Linear(8, 16)
            self.head = nn.Linear(16, VOCABULARY)

        def forward(self, input_ids):
            return transformers.modeling_outputs.CausalLMOutput(logits=self.head(self.up(self.embed(input_ids)).tanh()))

    def new():
        model = Small()
        torch.manual_seed(6)
        return peft.get_peft_model(model, peft.LoraConfig(r=2, target_modules=["up", "head"])) if adapters else model

    plain, compiled, graphs = new(), new(), []

    def counting(graph, inputs):
        graphs.append(graph)
        return graph.forward

    expected, uncompiled = train(plain, clock, steps=25)
    try:
        reports, planner = train(compiled, clock, steps=25, forward=torch.compile(compiled, backend=counting))
    finally:
        torch.compiler.reset()
    assert graphs
    assert planner.blocks == uncompiled.blocks
    assert len(planner.blocks.names) == (2 if adapters else 3)
    for one, other in zip(expected, reports, strict=True):
        assert other.loss == pytest.approx(one.loss, rel=1e-4)
        assert other.learning_rates == pytest.approx(one.learning_rates, rel=1e-3)
    assert reports[-1].metrics["probes"] > 0
    assert reports[-1].metrics["probe_failures"] == 0
