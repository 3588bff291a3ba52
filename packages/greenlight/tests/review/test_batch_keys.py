from greenlight.review.engines.batch_keys import BatchKeys
from greenlight.review.subject import Subject

PREPROCESS = """
from functools import partial
import torch
from datasets import load_dataset
from torch.utils.data import DataLoader

def encode(row, tokenizer):
    found = tokenizer(row["question"], truncation=True)
    found["gold"] = row["answer"]
    return found

def collate(rows):
    out = {}
    for key in rows[0].keys():
        out[key] = [row[key] for row in rows]
    return out

def loaders(tokenizer):
    train = load_dataset("gsm8k", "main", split="train")
    train = train.map(partial(encode, tokenizer=tokenizer), remove_columns=train.column_names)
    return DataLoader(train, collate_fn=collate), 3
"""


def reads(**code):
    keys = Subject.of({f"src/{name}.py": text for name, text in code.items()}).derived(BatchKeys)
    return {read.key: read.row.columns.lacks(read.key) for read in keys.reads if read.row.loader is not None}


def test_keys_are_followed_from_load_dataset_through_map_and_collate_to_the_loop():
    found = reads(
        preprocess=PREPROCESS,
        train="""
        from src.preprocess import loaders

        def train(tokenizer):
            loader, _ = loaders(tokenizer)
            for step, batch in enumerate(loader):
                batch["input_ids"], batch["gold"], batch["question"], batch["mask"]
        """,
    )
    assert found == {"input_ids": False, "gold": False, "question": True, "mask": True}


def test_a_key_that_the_loop_itself_adds_is_there():
    found = reads(
        preprocess=PREPROCESS,
        train="""
        from src.preprocess import loaders

        def train(tokenizer):
            loader, _ = loaders(tokenizer)
            for batch in loader:
                batch["mask"] = batch["attention_mask"]
                batch = {k: v for k, v in batch.items()}
                batch["mask"]
        """,
    )
    assert found == {"attention_mask": False, "mask": False}


def test_a_batch_that_an_unknown_function_has_seen_may_have_any_key():
    found = reads(
        preprocess=PREPROCESS,
        train="""
        from src.preprocess import loaders
        from elsewhere import prepare

        def train(tokenizer):
            loader, _ = loaders(tokenizer)
            for batch in loader:
                prepare(batch)
                batch["mask"]
        """,
    )
    assert not any(found.values())


def test_a_key_that_is_asked_for_first_is_no_read():
    found = reads(
        preprocess=PREPROCESS,
        train="""
        from src.preprocess import loaders

        def train(tokenizer):
            for batch in loaders(tokenizer)[0]:
                if "mask" in batch:
                    batch["mask"]
        """,
    )
    assert found == {}


def test_two_branches_that_disagree_leave_the_columns_open():
    found = reads(
        preprocess=PREPROCESS.replace(
            "    return DataLoader", "    if tokenizer:\n        train = other(train)\n    return DataLoader"
        ),
        train="""
        from src.preprocess import loaders

        def train(tokenizer):
            for batch in loaders(tokenizer)[0]:
                batch["mask"]
        """,
    )
    assert not any(found.values())


def test_columns_chosen_by_a_comprehension_are_removed():
    keys = Subject.of(
        {
            "src/preprocess.py": """
            from datasets import load_dataset
            from torch.utils.data import DataLoader

            def loader(tokenizer):
                rows = load_dataset("glue", "cola", split="train")
                gone = [c for c in rows.column_names if c != "label"]
                rows = rows.map(lambda row: tokenizer(row["sentence"]), remove_columns=gone)
                return DataLoader(rows)
            """
        }
    ).derived(BatchKeys)
    (loader,) = keys.loaders.values()
    assert loader.columns.sure == {"input_ids", "attention_mask", "label"}
    assert not loader.columns.open
