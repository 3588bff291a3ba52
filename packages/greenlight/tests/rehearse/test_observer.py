"""What the observer notes of a subject that was not edited, in a real process."""

import os
import subprocess
import sys
import textwrap

import pytest

from greenlight.rehearse.observer import record


@pytest.fixture
def observed(tmp_path):
    """Run Python code in a process that is watched; return its record, its exit status and its output."""
    subject, notes = tmp_path / "subject", tmp_path / "notes"
    subject.mkdir()
    notes.mkdir()

    def run(code, **settings):
        (subject / "main.py").write_text(textwrap.dedent(code), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "main.py"],
            cwd=subject,
            env={"PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1"} | record.environment(notes, **settings),
            capture_output=True,
            text=True,
            check=False,
        )
        return record.read(notes, subject), done.returncode, done.stdout + done.stderr

    run.subject = subject
    run.notes = notes
    return run


def test_an_exception_is_noted_with_its_root_and_the_subjects_own_line(observed):
    noted, status, said = observed("""
        import json

        def load():
            return json.loads("{")

        try:
            load()
        except ValueError as error:
            raise RuntimeError("cannot load") from error
    """)
    (raised,) = noted.raised
    assert status == 1
    assert "RuntimeError: cannot load" in said, "what the subject prints stays as it was"
    assert (raised.type, raised.root_type) == ("RuntimeError", "JSONDecodeError")
    assert (raised.path, raised.line, raised.code) == ("main.py", 5, 'return json.loads("{")')


def test_files_connections_and_subprocesses_are_noted_and_reading_is_not(observed):
    noted, status, said = observed("""
        import socket, subprocess, sys
        open("made.txt", "w").close()
        open("made.txt").close()
        for _ in range(3):
            try:
                socket.create_connection(("127.0.0.1", 9), timeout=1)
            except OSError:
                pass
        subprocess.run([sys.executable, "-c", "raise KeyError('child')"], cwd="..")
    """)
    assert status == 0, said
    assert str(observed.subject / "made.txt") in noted.written
    assert not any(path.startswith(str(observed.notes)) for path in noted.written)
    assert noted.reached == (("127.0.0.1", 9),)
    ((command, cwd),) = noted.subprocesses
    assert command[1] == "-c"
    assert cwd == ".."
    assert [raised.type for raised in noted.raised] == ["KeyError"], "children are watched too"


def test_optimizers_are_seen_stepping_and_whether_their_parameters_ever_get_a_gradient(observed):
    noted, status, said = observed("""
        import torch
        weight, idle = torch.nn.Parameter(torch.ones(3)), torch.nn.Parameter(torch.ones(2))
        learner = torch.optim.SGD([weight], lr=0.1)
        planner = torch.optim.Adam([idle], lr=0.1)
        for step in range(4):
            learner.param_groups[0]["lr"] = 0.1 / (step + 1)
            (weight ** 2).sum().backward()
            learner.step(); learner.zero_grad()
            planner.step(); planner.zero_grad()
    """)
    assert status == 0, said
    learner, planner = (noted.totals[f"optimizer {n}"][0] for n in (0, 1))
    assert (learner["type"], learner["steps"], learner["with_gradient"], learner["moved"]) == ("SGD", 4, 1, 1)
    assert [rate for (rate,) in learner["rates"]] == pytest.approx([0.1, 0.05, 0.1 / 3, 0.025])
    assert (planner["type"], planner["steps"], planner["with_gradient"], planner["moved"]) == ("Adam", 4, 0, 0)


def test_batches_of_loaders_are_counted_and_come_out_unchanged(observed):
    noted, status, said = observed("""
        import torch
        loader = torch.utils.data.DataLoader(list(range(10)), batch_size=4)
        print([batch.tolist() for batch in loader], len(loader))
    """)
    assert status == 0, said
    assert "[[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]] 3" in said
    assert noted.totals["loader batches"][0]["batches"] == 3


def test_a_search_is_capped_its_trials_are_noted_and_it_is_filled_up_with_copies(observed):
    noted, status, said = observed(
        """
        import optuna
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        study = optuna.create_study()
        study.optimize(lambda trial: trial.suggest_float("rate", 0, 1) * 0 + 7.0, n_trials=50)
        print(len(study.trials))
        """,
        most_trials=2,
    )
    assert status == 0, said
    assert said.strip().endswith("50"), "code that counts trials sees as many as it asked for"
    (search,) = noted.totals["search"]
    assert (search["asked_trials"], search["trials"], search["values"]) == (50, 2, [7.0, 7.0])


def test_clocks_jump_at_the_steps_of_the_optimizer_that_takes_the_most_and_are_true_between(observed):
    _, status, said = observed(
        """
        import time
        import torch
        clocks = (time.time, time.monotonic, time.perf_counter, lambda: time.time_ns() / 1e9)
        weights = [torch.nn.Parameter(torch.ones(2)) for _ in range(2)]
        often, seldom = (torch.optim.SGD([one], lr=0.1) for one in weights)
        for one in weights:
            one.grad = torch.ones(2)
        began = [clock() for clock in clocks]
        for step in range(4):
            often.step()
            if step == 2:
                seldom.step()
        jumped = [clock() - then for clock, then in zip(clocks, began)]
        time.sleep(0.2)
        print(jumped, time.monotonic() - began[1] - jumped[1])
        """,
        step_s=1000.0,
    )
    assert status == 0, said
    jumped, slept = eval(f"[{said.strip().splitlines()[-1].replace('] ', '], ')}]")
    # The second optimizer's first step begins a training of its own, as the next trial of a search would.
    assert all(5000 <= seconds < 5900 for seconds in jumped), said
    assert 0.2 <= slept < 100, said


def test_what_grew_is_kept_when_a_process_is_killed(observed):
    noted, status, _ = observed("""
        import os, signal, time
        import torch
        weight = torch.nn.Parameter(torch.ones(2))
        optimizer = torch.optim.SGD([weight], lr=0.1)
        weight.grad = torch.ones(2)
        optimizer.step()
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    assert status == -9
    assert noted.totals["steps"][0]["all"] == 1
    assert noted.totals["optimizer 0"][0]["steps"] == 1


def test_batches_that_go_into_a_model_are_looked_at(observed):
    noted, status, said = observed("""
        import torch
        from transformers import Qwen3Config, Qwen3ForCausalLM
        config = Qwen3Config(vocab_size=50, hidden_size=16, intermediate_size=16, num_hidden_layers=1,
                             num_attention_heads=2, num_key_value_heads=2, head_dim=8, pad_token_id=0)
        model = Qwen3ForCausalLM(config)
        ids = torch.tensor([[5, 6, 7], [5, 0, 0]])
        model.train()(input_ids=ids, attention_mask=torch.tensor([[1, 1, 1], [1, 49, 49]]), labels=ids)
        model.eval().generate(input_ids=ids, attention_mask=(ids != 0).long(), max_new_tokens=1, do_sample=False)
    """)
    assert status == 0, said
    assert noted.notes["mask value"][0]["value"] == 49
    labels = dict(noted.totals["labels"][0])
    assert labels.pop("at")["function"] == "<module>"
    assert labels == {
        "batches": 1, "without_ignored": 1, "equal_to_inputs": 1, "with_end": 0, "with_padding": 1,
        "with_counted_padding": 1,
    }  # fmt: skip
    generate = noted.totals["generate"][0]
    assert (generate["calls"], generate["rows"], generate["rows_padded_right"]) == (1, 2, 1)
    assert noted.totals["forward Qwen3ForCausalLM"][0]["training"] == 1


def test_an_exception_that_was_handled_when_the_process_left_is_noted_and_a_caught_exit_is_not(observed):
    noted, status, _ = observed("""
        import sys

        def load():
            return {}["a"]

        try:
            sys.exit("never mind")
        except SystemExit as left:
            assert left.code == "never mind"
        try:
            load()
        except KeyError:
            sys.exit(3)
    """)
    (raised,) = noted.raised
    assert status == 3
    assert (raised.root_type, raised.root_message, raised.line) == ("KeyError", "'a'", 5)
    assert [(frame.function, frame.line) for frame in raised.frames] == [("<module>", 12), ("load", 5)]
    last = raised.frames[-1]
    assert last.code[last.column - 4 : last.end_column - 4] == '{}["a"]'


def test_what_argparse_refused_is_noted_with_the_subjects_own_line(observed):
    noted, status, said = observed("""
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("--run-ids", required=True)
        parser.parse_args(["run_ids=a"])
    """)
    (raised,) = noted.raised
    assert status == 2
    assert "required: --run-ids" in said, "what the subject prints stays as it was"
    assert raised.root_message == "argparse: the following arguments are required: --run-ids"
    assert (raised.path, raised.line) == ("main.py", 5)


def test_a_module_that_a_child_does_not_find_is_noted_as_the_childs_own_crash(observed):
    noted, status, _ = observed("""
        import subprocess, sys
        subprocess.run([sys.executable, "-m", "src.train"], check=True, cwd="/")
    """)
    assert status == 1
    child, parent = noted.raised
    assert (child.root_type, child.root_message, child.path) == ("ModuleNotFoundError", "No module named 'src'", "")
    assert (parent.root_type, parent.line) == ("CalledProcessError", 3)


def test_leaving_without_a_status_is_no_crash(observed):
    noted, status, _ = observed("import sys\nsys.exit(0)")
    assert (status, noted.raised) == (0, ())
    noted, status, _ = observed("import sys\nsys.exit()")
    assert (status, noted.raised) == (0, ())
