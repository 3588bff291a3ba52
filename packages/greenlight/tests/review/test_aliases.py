"""What is known of the names under which one object goes."""

from __future__ import annotations

from greenlight.review.engines.aliases import Aliases, Life
from greenlight.review.subject import Subject


def life_of(name: str, function: str, **files: str) -> Life:
    subject = Subject.of({f"src/{path}.py": text for path, text in files.items()})
    for module in subject.code:
        if function in module.top_level:
            return subject.derived(Aliases).of(
                module, module.top_level[function], name, same=("peft.get_peft_model",), fluent=("eval",)
            )
    raise AssertionError(f"no function {function}")


def methods(life: Life) -> set[str]:
    return {node.attr for _, node in life.attributes}


def test_an_object_is_followed_into_own_functions_of_other_files():
    life = life_of(
        "model",
        "train",
        train="from src.tools import prepare\n\ndef train(cfg):\n    model = make(cfg)\n    prepare(cfg, net=model)\n",
        tools="def prepare(cfg, net):\n    net.half()\n",
    )
    assert methods(life) == {"half"}
    assert not life.escapes


def test_an_object_is_followed_out_of_a_function_that_returns_it_among_others():
    life = life_of(
        "base",
        "build",
        model="from peft import get_peft_model\n\ndef build(cfg):\n    base = load(cfg)\n"
        "    model = get_peft_model(base, cfg)\n    return model.eval(), cfg\n",
        train="from src.model import build\n\ndef train(cfg):\n    net, _ = build(cfg)\n    net.train()\n    net(1)\n",
    )
    assert methods(life) == {"eval", "train"}
    assert len(life.calls) == 1
    assert not life.escapes


def test_an_object_in_a_list_is_lost_sight_of():
    assert life_of("model", "train", train="def train(model):\n    both = [model, 1]\n    return None\n").escapes


def test_what_an_object_is_given_to_is_told_by_its_full_name():
    life = life_of(
        "optimizer",
        "train",
        train="import torch\n\ndef train(optimizer):\n    torch.optim.lr_scheduler.StepLR(optimizer, 3)\n",
    )
    assert [name for _, _, name in life.given] == ["torch.optim.lr_scheduler.StepLR"]


def test_an_attribute_that_is_read_from_outside_of_its_class_is_lost_sight_of():
    text = (
        "class Trainer:\n    def __init__(self, optimizer):\n        self.optimizer = optimizer\n\n"
        "def train(optimizer):\n    trainer = Trainer(optimizer)\n    {}\n"
    )
    assert not life_of("optimizer", "train", train=text.format("trainer.fit()")).escapes
    assert life_of("optimizer", "train", train=text.format("trainer.optimizer.step()")).escapes


def test_a_parameter_of_the_same_name_inside_is_another_object():
    text = "def train(model):\n    def inner(model):\n        model.half()\n    model.eval()\n"
    assert methods(life_of("model", "train", train=text)) == {"eval"}
