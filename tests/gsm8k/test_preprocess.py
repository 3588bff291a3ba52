import random
from decimal import Decimal

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from greenlight.errors import GreenlightError
from src.preprocess import (
    IGNORED,
    Dataset,
    TrainStream,
    collate,
    collate_prompts,
    encode,
    exact_match,
    extract,
    normalise,
    read_problem,
)

TEMPLATE = "Question: {question}\nAnswer: "
SECTION = {
    "name": "greenlight/arithmetic",
    "config": "main",
    "train_split": "train",
    "eval_split": "test",
    "max_tokens": 256,
    "streaming": True,
    "shuffle_buffer": 10000,
    "dev_examples": 4,
    "prompt": TEMPLATE,
}


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (" 72", "72"),
        ("$1,200.50", "1200.5"),
        ("€ 3.0 per kilo", "3"),
        ("-7", "-7"),
        ("- 7", "-7"),
        ("+5", "5"),
        (".5", "0.5"),
        ("007", "7"),
        ("12%", "12"),
        ("1,2", "1"),
        ("-0.00", "0"),
        ("18.", "18"),
        ("1000000000000000000000", "1000000000000000000000"),
        ("twelve", None),
        ("$", None),
        ("-", None),
        ("", None),
    ],
)
def test_a_number_is_normalised_to_its_plainest_form(text, number):
    assert normalise(text) == number


@given(st.integers(-(10**15), 10**15), st.integers(0, 4))
def test_separators_currency_and_trailing_zeros_never_change_a_number(value, zeros):
    written = f"${value:,}" if value >= 0 else f"-${-value:,}"
    assert normalise(written + ("." + "0" * zeros if zeros else "")) == str(value)


@given(st.decimals(min_value=-(10**9), max_value=10**9, places=6))
def test_the_plainest_form_has_the_same_value(value):
    assert Decimal(normalise(f"{value:f}")) == value


def test_the_number_after_the_marker_is_the_answer_and_without_a_marker_there_is_none():
    assert extract("2 + 3 = 5\n#### 5 apples\nQuestion: and #### 9?") == "5"
    assert extract("the answer is 5") is None
    assert extract("####") is None
    assert not exact_match(None, "5")
    assert exact_match(extract("#### 1,000.0"), extract("#### 1000"))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"question": "q?"}, "train row 7: no column 'answer' (there are: question)"),
        ({"question": "q?", "answer": None}, "train row 7: column 'answer' is None"),
        ({"question": "  ", "answer": "#### 1"}, "train row 7: column 'question' is '  '"),
        ({"question": "q?", "answer": "it is 5"}, "it ends in '#### <number>'"),
    ],
)
def test_a_malformed_row_is_named_with_its_place(row, message):
    with pytest.raises(GreenlightError) as caught:
        read_problem(row, "train", 7, TEMPLATE)
    assert message in str(caught.value)


def test_ids_are_stable_and_tell_questions_apart():
    row = {"question": "q?", "answer": "#### 1"}
    assert read_problem(row, "test", 3, TEMPLATE) == read_problem(row, "test", 3, TEMPLATE)
    other = read_problem(row | {"question": "r?"}, "test", 3, TEMPLATE)
    assert read_problem(row, "test", 3, TEMPLATE).question_id != other.question_id


def test_an_answer_begins_with_a_space_unless_the_prompt_ends_in_one():
    row = {"question": "q?", "answer": "so #### 1"}
    with_space, without = (read_problem(row, "test", 0, template) for template in ("{question} A: ", "{question} A:"))
    assert (with_space.prompt, with_space.completion) == ("q? A: ", "so #### 1")
    assert (without.prompt, without.completion) == ("q? A:", " so #### 1")


def test_only_the_answer_and_the_end_of_text_carry_a_loss(tokenizer, problems):
    rows = [encode(problem, tokenizer) for problem in problems[:5]]
    batch = collate(rows, tokenizer.pad_token_id)
    for problem, row, labels, mask in zip(problems, rows, batch.labels, batch.attention_mask, strict=False):
        counted = labels[labels != IGNORED]
        assert tokenizer.decode(counted[:-1]) == problem.completion
        assert counted[-1] == tokenizer.eos_token_id
        assert int(mask.sum()) == len(row.ids)
        assert torch.all(labels[: row.prompt_tokens] == IGNORED)
        assert torch.all(labels[len(row.ids) :] == IGNORED)


def test_a_prompt_is_tokenised_alike_for_training_and_for_generation(tokenizer, problems):
    batch = collate_prompts(problems[:5], tokenizer)
    for problem, ids, mask in zip(problems, batch["input_ids"], batch["attention_mask"], strict=False):
        row = encode(problem, tokenizer)
        assert ids[mask.bool()].tolist() == list(row.ids[: row.prompt_tokens])
        assert tokenizer.decode(ids[mask.bool()]) == problem.prompt
        assert mask[-1] == 1


def stream(problems, tokenizer, seed=0, micro=4, accumulate=2, **section):
    dataset = Dataset(**(SECTION | section))
    return TrainStream(
        lambda: iter(problems),
        tokenizer,
        dataset,
        micro_batch_size=micro,
        global_batch_size=micro * accumulate,
        seed=seed,
    )


def epochs(source, count, start=(0, 0)):
    found = {}
    for epoch, _, batch in source.micro_batches(*start):
        if epoch >= count:
            return found
        rows = (
            tuple(ids[mask.bool()].tolist()) for ids, mask in zip(batch.input_ids, batch.attention_mask, strict=True)
        )
        found.setdefault(epoch, []).extend(rows)
    return found


@pytest.mark.parametrize("shuffle_buffer", [32, 10000])
def test_every_epoch_holds_every_row_once_in_another_order(tokenizer, problems, shuffle_buffer):
    found = epochs(stream(problems, tokenizer, shuffle_buffer=shuffle_buffer), 2)
    expected = sorted(encode(problem, tokenizer).ids for problem in problems)
    assert sorted(found[0]) == expected
    assert sorted(found[1]) == expected
    assert found[0] != found[1]


@pytest.mark.parametrize("shuffle_buffer", [32, 10000])
def test_a_resumed_stream_continues_where_it_was(tokenizer, problems, shuffle_buffer):
    def take(source, start, count):
        batches = source.micro_batches(*start)
        return [
            (epoch, index, batch.input_ids.tolist()) for epoch, index, batch in (next(batches) for _ in range(count))
        ]

    whole = take(stream(problems, tokenizer, shuffle_buffer=shuffle_buffer), (0, 0), 160)
    epoch, index, _ = whole[100]
    assert epoch == 1
    again = take(stream(problems, tokenizer, shuffle_buffer=shuffle_buffer), (epoch, index), 60)
    assert again == whole[100:]


def taken(source, accumulated, **said):
    return [
        ([batch.input_ids.tolist() for batch in step.batches], (step.next_epoch, step.next_batch), step.is_last)
        for step in source.steps(accumulated, **said)
    ]


def test_the_steps_of_some_epochs_are_their_batches_in_groups_and_the_last_one_is_known(tokenizer, problems):
    few = problems[:36]  # nine micro-batches an epoch
    batches = stream(few, tokenizer).micro_batches()
    alone = [next(batches)[2].input_ids.tolist() for _ in range(18)]
    found = taken(stream(few, tokenizer), 4, start=(0, 0), epochs=2)
    assert [step for step, *_ in found] == [alone[at : at + 4] for at in range(0, 18, 4)]
    assert [after for _, after, _ in found] == [(0, 4), (0, 8), (1, 3), (1, 7), (1, 9)]
    assert [is_last for *_, is_last in found] == [False] * 4 + [True]
    # From the position after any of them on, the others follow; after the last one nothing does.
    for done, (_, after, _) in enumerate(found, start=1):
        assert taken(stream(few, tokenizer), 4, start=after, epochs=2) == found[done:]


def test_the_steps_of_data_without_an_end_have_no_last_one(tokenizer, problems):
    steps = stream(problems[:8], tokenizer).steps(1, start=(0, 0), epochs=None)
    assert not any(next(steps).is_last for _ in range(7))


def test_another_seed_is_another_order(tokenizer, problems):
    assert epochs(stream(problems, tokenizer, seed=0), 1) != epochs(stream(problems, tokenizer, seed=1), 1)


def test_bucketing_by_length_pads_less_than_chance(tokenizer, problems):
    def padding(batches):
        return sum(int((batch.attention_mask == 0).sum()) for batch in batches)

    source = stream(problems, tokenizer)
    bucketed = [batch for (epoch, _, batch), _ in zip(source.micro_batches(), range(75), strict=False) if epoch == 0]
    rows = [encode(problem, tokenizer) for problem in problems]
    random.Random(0).shuffle(rows)
    by_chance = [collate(rows[at : at + 4], tokenizer.pad_token_id) for at in range(0, len(rows), 4)]
    assert padding(bucketed) < 0.3 * padding(by_chance)


def test_rows_that_are_too_long_are_left_out_and_counted(tokenizer, problems):
    lengths = sorted(len(encode(problem, tokenizer).ids) for problem in problems)
    limit = lengths[len(lengths) // 2]
    source = stream(problems, tokenizer, max_tokens=limit)
    found = epochs(source, 1)[0]
    assert len(found) == sum(length <= limit for length in lengths)
    assert source.rows_too_long == len(problems) - len(found)
    assert max(map(len, found)) <= limit


def test_a_stream_without_a_usable_row_is_an_error(tokenizer, problems):
    with pytest.raises(GreenlightError, match="no row left \\(300 are longer than 8 tokens\\)"):
        next(stream(problems, tokenizer, max_tokens=8).micro_batches())


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"shuffle_buffer": None}, "a stream is shuffled in a buffer"),
        ({"streaming": False}, "the whole split is shuffled; set null"),
        ({"prompt": "Answer:"}, "it holds {question} once"),
        ({"eval_split": "train"}, "the reported split is not the one trained on"),
    ],
)
def test_contradictions_in_the_dataset_section_are_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        Dataset(**(SECTION | changed))
