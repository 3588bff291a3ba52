import pytest
from transformers import AutoTokenizer

from greenlight.assets.arithmetic import problems
from greenlight.assets.dataset import ROWS
from greenlight.assets.scoring import LONGEST_ANSWER_TOKENS, prompt
from greenlight.assets.tokenizer import END_OF_TEXT, MAX_TOKENS, UNKNOWN, build_tokenizer


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    build_tokenizer().save_pretrained(folder)
    return AutoTokenizer.from_pretrained(folder)


@pytest.mark.parametrize(("name", "split"), [(name, split) for name in ROWS for split in ROWS[name]])
def test_every_row_of_the_dataset_comes_back_letter_for_letter_and_fits(tokenizer, name, split):
    rows = list(problems(name, split, ROWS[name][split]))
    texts = [prompt(row) + row.answer for row in rows]
    ids = tokenizer(texts)["input_ids"]
    assert tokenizer.batch_decode(ids) == texts
    assert not any(tokenizer.unk_token_id in row for row in ids)
    assert max(map(len, ids)) < 160 < MAX_TOKENS
    answers = tokenizer([row.answer + END_OF_TEXT for row in rows])["input_ids"]
    assert max(map(len, answers)) <= LONGEST_ANSWER_TOKENS


def test_digits_are_single_tokens_and_words_are_tokens(tokenizer):
    pieces = tokenizer.tokenize("Tom has 120 apples.\n#### 7")
    assert pieces == ["Tom", " has", " ", "1", "2", "0", " apples", ".", "\n####", " ", "7"]


@pytest.mark.parametrize("cut", ["Answer:", "Answer: "])
def test_a_prompt_cut_with_or_without_its_last_space_gives_the_same_ids(tokenizer, cut):
    for row in problems("main", "test", 50):
        whole = prompt(row) + row.answer
        place = whole.index(cut) + len(cut)
        parts = tokenizer(whole[:place])["input_ids"] + tokenizer(whole[place:])["input_ids"]
        assert parts == tokenizer(whole)["input_ids"]


def test_end_of_text_ends_and_pads_on_either_side(tokenizer):
    assert tokenizer.is_fast
    assert (tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token) == (END_OF_TEXT,) * 3
    assert tokenizer(f"Tom has{END_OF_TEXT}")["input_ids"][-1] == tokenizer.eos_token_id
    assert tokenizer.model_max_length == MAX_TOKENS
    short, long = tokenizer("Tom")["input_ids"], tokenizer("Tom has")["input_ids"]
    left = tokenizer(["Tom", "Tom has"], padding=True, padding_side="left")
    right = tokenizer(["Tom", "Tom has"], padding=True, padding_side="right")
    assert left["input_ids"] == [[tokenizer.pad_token_id, *short], long]
    assert left["attention_mask"] == [[0, 1], [1, 1]]
    assert right["input_ids"] == [[*short, tokenizer.pad_token_id], long]


def test_a_word_outside_the_language_is_one_unknown_token(tokenizer):
    pieces = tokenizer.tokenize("Tom has zebras, é.")
    assert pieces == ["Tom", " has", UNKNOWN, ",", " ", UNKNOWN, "."]
