"""What goes over the wire, and that whatever goes wrong there is a reason and never a verdict."""

import json
import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from greenlight.judge import exchange
from greenlight.review.criteria import Criterion

KEY = "sk-test-0123456789abcdef"


def failure(asked):
    assert asked.opinions == ()
    assert asked.failure
    assert "\n" not in asked.failure
    return asked.failure


def test_an_opinion_with_a_line_of_the_file_is_kept_as_it_was_given(judge, asked, opinion):
    judge.says(opinion())
    answer = asked(key=KEY)
    (one,) = answer.opinions
    assert (answer.failure, answer.discarded, answer.left_out) == (None, 0, ())
    assert (one.path, one.line, one.quote) == ("src/model.py", 7, "return -advantage.detach().mean()")
    assert (one.criterion, one.question, one.confidence) == (Criterion.MODEL, "fidelity", "opinion")
    assert one.issue == opinion()["issue"]
    assert one.suggestion == opinion()["suggestion"]


def test_the_request_is_a_chat_completion_with_the_key_as_bearer(judge, asked):
    judge.says()
    asked(key=f" {KEY}\n", model=" oracle-2 ")
    (request,) = judge.received
    assert request.path == "/v1/chat/completions"
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    assert request.headers["Content-Type"] == "application/json"
    assert request.body["model"] == "oracle-2"
    assert request.body["response_format"] == {"type": "json_object"}
    assert [message["role"] for message in request.body["messages"]] == ["system", "user"]


def test_without_a_key_there_is_no_header_for_it(judge, asked):
    judge.says()
    asked(key="")
    assert "Authorization" not in judge.received[0].headers


def test_the_judge_is_shown_the_findings_the_hypothesis_the_numbered_files_and_what_is_asked(judge, asked):
    judge.says()
    asked()
    system, user = (message["content"] for message in judge.received[0].body["messages"])
    assert "src/train.py:4 GL999 build_optimizer is nowhere defined" in user
    assert "REACTOR is a policy gradient over the learning rate." in user
    assert "    4 |     optimizer = build_optimizer(cfg.training)" in user
    assert "    7 |         return -advantage.detach().mean()" in user
    assert "is loaded and adapted. Without one, the architecture is built from PyTorch's parts." in system
    assert "- fidelity: The code does what the hypothesis says" in system


def test_a_server_that_refuses_the_form_of_the_answer_is_asked_without_it(judge, asked, opinion):
    judge.replies(400, {"error": {"message": "response_format is not supported"}}).says(opinion())
    assert len(asked().opinions) == 1
    first, second = judge.received
    assert "response_format" in first.body
    assert not {"response_format", "temperature"} & set(second.body)
    assert second.body["messages"] == first.body["messages"]


def test_a_request_that_is_refused_in_both_forms_is_no_verdict_and_is_told(judge, asked):
    judge.replies(400, {"error": {"message": "context length exceeded"}})
    assert "answers 400 (context length exceeded)" in failure(asked())
    assert len(judge.received) == 2


def test_nobody_there_is_no_verdict(asked):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        assert f"judge {address}: cannot be reached" in failure(asked(base_url=address))


def never(handler):
    handler.server.judge.stopping.wait()


def drips_headers(handler):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while not handler.server.judge.stopping.wait(0.02):
        handler.wfile.write(b"x")


def drips_a_body(handler):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while not handler.server.judge.stopping.wait(0.02):
        handler.wfile.write(b" ")


@pytest.mark.parametrize("action", [never, drips_headers, drips_a_body])
def test_a_judge_that_does_not_come_to_an_end_is_no_verdict_and_is_hung_up_on(judge, asked, action):
    judge.does(action)
    start = time.monotonic()
    assert "no complete answer within the time-out" in failure(asked(timeout_s=0.4))
    assert 0.3 < time.monotonic() - start < 10
    for thread in threading.enumerate():
        if thread.name == "greenlight judge":
            thread.join(10)
            assert not thread.is_alive()


def test_401_without_a_key_names_the_variable_and_with_one_says_it_is_refused(judge, asked):
    judge.replies(401, {"error": {"message": "no"}})
    assert "it wants a key; set GREENLIGHT_JUDGE_KEY" in failure(asked())
    assert "does not take the key in GREENLIGHT_JUDGE_KEY" in failure(asked(key=KEY))
    assert len(judge.received) == 2, "nothing is repeated that cannot help"


def test_a_busy_server_is_asked_once_more(judge, asked, opinion):
    judge.replies(429, Retry_After="0").says(opinion())
    assert len(asked().opinions) == 1
    assert len(judge.received) == 2


def test_the_time_that_a_busy_server_names_is_waited(judge, asked):
    judge.replies(503, Retry_After="1").says()
    start = time.monotonic()
    assert asked().failure is None
    assert time.monotonic() - start >= 1


@pytest.mark.parametrize(
    "named", ["3600", format_datetime(datetime.now(UTC) + timedelta(hours=2), usegmt=True)], ids=["seconds", "date"]
)
def test_a_wait_that_is_longer_than_the_time_out_is_not_begun(judge, asked, named):
    judge.replies(429, Retry_After=named)
    start = time.monotonic()
    assert "more than is left of the time-out of 20 s" in failure(asked())
    assert time.monotonic() - start < 10
    assert len(judge.received) == 1


def test_a_date_that_has_passed_is_no_wait(judge, asked):
    judge.replies(429, Retry_After="Fri, 31 Dec 1999 23:59:59 GMT").says()
    assert asked().failure is None


@pytest.mark.parametrize("named", ["soon", "Fri, 31 Dec 1999 23:59:59 +99999999999999999999"])
def test_a_wait_that_cannot_be_read_is_a_short_one(judge, asked, named):
    judge.replies(429, Retry_After=named).says()
    assert asked().failure is None


def test_a_server_that_breaks_twice_is_no_verdict(judge, asked):
    judge.replies(500, {"error": "out of memory"}, Retry_After="0")
    assert "answers 500 (out of memory), twice; ask later" in failure(asked())
    assert len(judge.received) == 2


def test_a_model_that_is_not_there_is_named(judge, asked):
    judge.replies(404, {"error": {"message": "model not found"}})
    assert "no model oracle" in failure(asked())


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<html>welcome</html>", "is not JSON"),
        (b'{"choices": [{"message": {"content": "cut of', "is not JSON"),
        (b"\xff\xfe\xfa", "is not JSON"),
        (b"[" * 200_000, "is not JSON"),
        ({"error": {"message": "no such model"}}, "no chat completion (no such model)"),
        ({"choices": []}, "no chat completion"),
        ({"choices": [{"message": "hello"}]}, "no chat completion"),
        ([], "no chat completion"),
    ],
    ids=["page", "cut off", "bytes", "deep", "error with 200", "no choices", "no message", "list"],
)
def test_an_answer_that_is_no_chat_completion_is_no_verdict(judge, asked, body, reason):
    judge.replies(200, body)
    assert reason in failure(asked())


@pytest.mark.parametrize(
    ("content", "ended", "message", "reason"),
    [
        ("", "stop", {}, "its answer is empty"),
        (" \n", "stop", {}, "its answer is empty"),
        (None, "stop", {"reasoning_content": '{"opinions": []}'}, "its answer is empty"),
        ('{"opinions": []}', "length", {}, "cut off by the model's limit of length"),
        ('{"opinions": []}', "content_filter", {}, "declines to answer"),
        (None, "stop", {"refusal": "I cannot do that"}, "declines to answer"),
    ],
)
def test_an_answer_that_is_empty_cut_off_or_declined_is_no_verdict(judge, asked, content, ended, message, reason):
    judge.writes(content, ended, **message)
    assert reason in failure(asked())


def test_an_answer_in_parts_is_put_together(judge, asked, opinion):
    text = json.dumps({"opinions": [opinion()]})
    judge.writes([{"type": "text", "text": text[:20]}, {"type": "text", "text": text[20:]}])
    assert len(asked().opinions) == 1


def test_an_answer_without_end_is_not_read_to_its_end(judge, asked):
    def pours(handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:  # until the client hangs up
            handler.wfile.write(b" " * 2**16)

    judge.does(pours)
    assert f"larger than the {exchange.LARGEST_ANSWER} bytes" in failure(asked())


def test_something_that_does_not_speak_http_is_no_verdict(judge, asked):
    judge.does(lambda handler: handler.wfile.write(b"220 mail.example ESMTP\r\n"))
    assert "is not HTTP" in failure(asked())
