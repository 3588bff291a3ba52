"""What was inserted into a scratch copy moves no finding from its line."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from greenlight.rehearse.as_written import as_written
from greenlight.rehearse.observer.record import Frame, Raised, Record
from greenlight.rehearse.rehearsal import Act, Crash, Phase

WORK = Path("/w/experiment")
WRITTEN = b"import a\n\ndef main(cfg):\n    use(cfg.run)\n    train(cfg)\n"
SCRATCH = b"import a\n\ndef main(cfg):\n    cfg.run = load()\n    use(cfg.run)\n    train(cfg, fast=True)\n"


def seen(line, path="src/a.py", **notes):
    raised = Raised("E", "m", "E", "m", path, line, "code", (Frame(path, line, "code", "main", line),))
    record = Record(raised=(raised,), totals=notes.get("totals", {}), notes=notes.get("notes", {}))
    return Act(Phase.TRIAL, ("a",), ("uv",), 1, 1.0, None, record, Crash(raised, "said"))


def lines(act):
    (frame,) = act.crash.raised.frames
    assert act.seen.raised == (act.crash.raised,)
    assert act.crash.raised.line == frame.line == frame.end_line
    return frame.line


def line_of(line, scratch=SCRATCH, written=WRITTEN):
    return lines(as_written(seen(line), WORK, {"src/a.py": scratch}, {"src/a.py": written}))


def test_an_exception_stands_at_the_line_that_the_author_wrote():
    assert [line_of(line) for line in (0, 1, 3, 5, 6, 99)] == [0, 1, 3, 4, 5, 99]
    assert line_of(4) == 4, "what was inserted stands for the statement after it"
    two = SCRATCH.replace(b"    cfg.run = load()\n", b"    free(cfg)\n    cfg.run = load()\n")
    assert [line_of(line, two) for line in (4, 5, 6, 7)] == [4, 4, 4, 5]


def test_places_that_the_observer_noted_do_too_and_those_of_other_files_stay():
    at = {"file": "/w/experiment/src/a.py", "line": 6}
    other = {"file": "/w/experiment/src/b.py", "line": 6}
    act = seen(
        6, totals={"optimizer 1": ({"at": at, "rates": [0.1]},)}, notes={"figure": ({"at": other}, {"all": [at]})}
    )
    told = as_written(act, WORK, {"src/a.py": SCRATCH, "src/b.py": b"x"}, {"src/a.py": WRITTEN, "src/b.py": b"x"})
    assert told.seen.totals == {"optimizer 1": ({"at": {**at, "line": 5}, "rates": [0.1]},)}
    assert told.seen.notes == {"figure": ({"at": other}, {"all": [{**at, "line": 5}]})}


def test_without_a_change_the_act_is_the_same():
    act = seen(3)
    assert as_written(act, WORK, {"src/a.py": WRITTEN}, {"src/a.py": WRITTEN}) is act


@given(st.lists(st.integers(0, 5), min_size=1, max_size=8), st.data())
def test_every_line_that_was_kept_is_found_again(inserted_before, data):
    written = [f"line {n}" for n in range(len(inserted_before))]
    scratch, kept = [], {}
    for n, count in enumerate(inserted_before):
        scratch += [f"new {n} {i}" for i in range(count)]
        scratch.append(written[n])
        kept[len(scratch)] = n + 1
    line = data.draw(st.sampled_from(sorted(kept)))
    assert line_of(line, "\n".join(scratch).encode(), "\n".join(written).encode()) == kept[line]
