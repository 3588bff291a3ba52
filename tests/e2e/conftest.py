"""The tracker, the hub and the starter that all end-to-end tests share."""

import json

import pytest

from tests.e2e.playing import Stage
from tests.e2e.starting import starter
from tests.processes import environment, server

TRUNCATED = "my/sums"  # a data set whose training file was cut short


@pytest.fixture(scope="session")
def stage(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stage")
    rows = [json.dumps({"question": f"What is {n} + 1?", "answer": f"#### {n + 1}"}) for n in range(50)]
    (folder / "sums").mkdir()
    (folder / "sums" / "train.jsonl").write_text("\n".join(rows)[:-9])
    (folder / "sums" / "test.jsonl").write_text("\n".join(rows))
    hub_words = ("hub", "--cache", str(folder / "hub"), "--dataset", f"{TRUNCATED}={folder / 'sums'}")
    with server("tracker", "--data", str(folder / "tracker")) as tracker, server(*hub_words) as hub:
        # Libraries of the hub read these while they are imported, which the starter does once.
        exports = tracker | hub | {"HF_HOME": str(folder / "huggingface"), "TOKENIZERS_PARALLELISM": "false"}
        with starter(folder / "starter", environment(**exports)) as commands:
            yield Stage(exports, commands, folder)
