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


GENERATOR = """
from functools import partial

import torch
from datasets import load_dataset
from torch.utils.data import DataLoader, Dataset

class Rows(Dataset):
    def __init__(self, texts, tokenizer):
        self.rows = [{"ids": tokenizer(text).input_ids} for text in texts]

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        return self.rows[index]

def collate(rows, pad_id):
    return {"ids": torch.tensor([row["ids"] for row in rows]), "mask": torch.ones(len(rows))}

def grouped(batches, size):
    group = []
    for batch in batches:
        group.append(batch)
        if len(group) == size:
            yield group
            group = []

def advance(model, group):
    for batch in group:
        CHANGE
        model(batch["labels"])

def train(model, tokenizer):
    texts = load_dataset("imdb", split="train")
    loader = DataLoader(Rows(texts, tokenizer), batch_size=8, shuffle=True, collate_fn=partial(collate, pad_id=0))
    for group in grouped(loader, 4):
        advance(model, group)
"""


def lacking(code):
    reads = Subject.of({"src/train.py": code}).derived(BatchKeys).reads
    return {read.key for read in reads if read.row.columns.lacks(read.key)}


def test_batches_are_followed_through_partial_generators_and_lists():
    assert lacking(GENERATOR.replace("CHANGE", "pass")) == {"labels"}


def test_a_key_that_is_written_to_a_batch_of_a_list_is_there():
    assert lacking(GENERATOR.replace("CHANGE", 'batch["labels"] = batch["ids"]')) == set()


def test_rows_of_a_list_that_were_written_to_may_have_any_key():
    twice = 'batch["labels"] = 1\n    for batch in group:'
    assert lacking(GENERATOR.replace("CHANGE", twice)) == set()


def test_a_function_that_writes_keys_may_have_written_them_to_the_batch():
    code = GENERATOR.replace("CHANGE", "label(batch)") + '\n\ndef label(batch):\n    batch["labels"] = batch["ids"]\n'
    assert lacking(code) == set()


def test_attributes_of_an_own_class_are_followed_into_its_methods():
    code = """
from datasets import load_dataset

class Trainer:
    def __init__(self):
        self.rows = load_dataset("imdb", split="train")

    def fit(self):
        for row in self.rows:
            print(row["sentence"])
"""
    assert lacking(code) == {"sentence"}
