import pytest
import torch

from greenlight.assets import model_folder
from greenlight.errors import GreenlightError
from src.model import ADAPTED, Lora, Model, Scheduler, answers, check_parameter_count, load, token_losses, trainable
from src.preprocess import Batch, collate, collate_prompts, encode


def section(**changed):
    values = {
        "name": str(model_folder()),
        "dtype": "float32",
        "lora": Lora(r=4, alpha=8, dropout=0.0),
        "parameter_count": None,
    }
    return Model(**(values | changed))


@pytest.fixture(scope="module")
def adapted():
    torch.manual_seed(0)
    model, tokenizer = load(section(), gradient_checkpointing=False)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.02)
    return model, tokenizer


def test_adapters_sit_on_all_attention_and_mlp_projections_and_nothing_else_is_trained(adapted):
    model, _ = adapted
    names = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    layers = model.config.num_hidden_layers
    for projection in ADAPTED:
        assert sum(f".{projection}.lora_A" in name for name in names) == layers
    assert len(names) == 2 * len(ADAPTED) * layers
    assert sum(p.numel() for p in trainable(model)) < 0.2 * sum(p.numel() for p in model.parameters())


def test_token_losses_are_those_of_transformers_own_loss(adapted, problems):
    model, tokenizer = adapted
    batch = collate([encode(problem, tokenizer) for problem in problems[:6]], tokenizer.pad_token_id)
    mine, places = token_losses(model.eval(), batch)
    theirs = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask, labels=batch.labels).loss
    assert mine.shape == (batch.answer_tokens,)
    assert places.shape == batch.labels[:, 1:].shape
    assert int(places.sum()) == batch.answer_tokens
    torch.testing.assert_close(mine.mean(), theirs, rtol=1e-5, atol=1e-6)


def test_accumulated_micro_batches_give_the_gradient_of_the_whole_batch(adapted, problems):
    model, tokenizer = adapted
    model.train()
    rows = [encode(problem, tokenizer) for problem in problems[:6]]
    total = sum(len(row.ids) - row.prompt_tokens for row in rows)

    def gradient(parts):
        model.zero_grad()
        for part in parts:
            (token_losses(model, collate(part, tokenizer.pad_token_id))[0].sum() / total).backward()
        return torch.cat([parameter.grad.flatten() for parameter in trainable(model)])

    torch.testing.assert_close(gradient([rows[:1], rows[1:]]), gradient([rows]), rtol=1e-4, atol=1e-7)


def test_gradient_checkpointing_changes_no_gradient(problems):
    gradients = []
    for checkpointing in (False, True):
        torch.manual_seed(0)
        model, tokenizer = load(section(), gradient_checkpointing=checkpointing)
        batch = collate([encode(problem, tokenizer) for problem in problems[:3]], tokenizer.pad_token_id)
        token_losses(model.train(), batch)[0].mean().backward()
        gradients.append(torch.cat([parameter.grad.flatten() for parameter in trainable(model)]))
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-5, atol=1e-8)
    assert gradients[0].abs().max() > 0


def test_answers_to_a_padded_batch_are_those_to_each_question_alone(adapted, problems):
    model, tokenizer = adapted
    asked = problems[:5]
    together = answers(model, tokenizer, asked, max_new_tokens=40, batch_size=4)
    for problem, text in zip(asked, together, strict=True):
        ids = collate_prompts([problem], tokenizer)["input_ids"]
        for _ in range(40):
            following = int(model(input_ids=ids).logits[0, -1].argmax())
            if following == tokenizer.eos_token_id:
                break
            ids = torch.cat([ids, torch.tensor([[following]])], dim=1)
        alone = tokenizer.decode(ids[0, len(collate_prompts([problem], tokenizer)["input_ids"][0]) :])
        assert text == alone


def test_answering_leaves_the_training_mode_as_it_was(adapted, problems):
    model, tokenizer = adapted
    model.train()
    answers(model, tokenizer, problems[:1], max_new_tokens=2, batch_size=1)
    assert model.training


@pytest.mark.parametrize(
    ("stated", "loaded", "fits"),
    [
        ("0.6B", 596_049_920, True),
        ("0.8M", 807_040, True),
        ("135M", 134_515_008, True),
        ("7B", 7_241_732_096, True),
        ("0.6B", 134_515_008, False),
        ("0.59B", 596_049_920, False),
        (None, 1, True),
    ],
)
def test_the_stated_size_is_checked_to_its_last_digit(stated, loaded, fits):
    model = section(parameter_count=stated)
    if fits:
        check_parameter_count(model, loaded)
    else:
        with pytest.raises(GreenlightError, match=f"parameter_count={stated}: .* has {loaded:,} parameters"):
            check_parameter_count(model, loaded)


def test_a_model_without_the_projections_is_refused(monkeypatch, tmp_path, tokenizer):
    from transformers import GPT2Config, GPT2LMHeadModel

    GPT2LMHeadModel(GPT2Config(n_layer=1, n_embd=8, n_head=1, vocab_size=len(tokenizer))).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(GreenlightError, match=r"GPT2LMHeadModel.*has none of q_proj"):
        load(section(name=str(tmp_path)), gradient_checkpointing=False)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"type": "graf"}, "no such planner; did you mean 'graff'"),
        ({"type": "graff", "outer_rate": 1}, "outer_rate: planner graff has no such option; did you mean"),
        ({"type": "linear", "outer_lr": 1e-3}, "outer_lr: planner linear has no such option"),
    ],
)
def test_a_planner_or_an_option_that_does_not_exist_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        Scheduler(**values)


def test_the_seeds_warm_start_key_is_the_planners_option():
    scheduler = Scheduler(type="graff", warm_start_ckpt="a.pt", outer_lr=1e-3)
    assert scheduler.options == {"warm_start": "a.pt", "outer_lr": 1e-3}


def test_a_batch_moves_as_a_whole():
    batch = Batch(torch.zeros(1, 2), torch.zeros(1, 2), torch.zeros(1, 2))
    moved = batch.to(torch.device("meta"))
    assert {part.device.type for part in (moved.input_ids, moved.attention_mask, moved.labels)} == {"meta"}
