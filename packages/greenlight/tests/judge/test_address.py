"""Code and key go to the address that was given and nowhere else, and the key is never shown."""

import pytest

from greenlight.errors import GreenlightError
from greenlight.judge.endpoint import endpoint

KEY = "sk-test-0123456789abcdef"


@pytest.mark.parametrize(
    ("address", "rule"),
    [
        ("ftp://judge.example/v1", "begins with https://"),
        ("judge.example/v1", "begins with https://"),
        ("file:///etc/passwd", "begins with https://"),
        ("", "begins with https://"),
        ("https://", "begins with https://"),
        ("https://judge.example:port/v1", "no address"),
        ("https://[::1/v1", "no address"),
        ("http://judge.example/v1", "http would send code and key in the clear"),
        ("http://127.0.0.1.example/v1", "http would send code and key in the clear"),
        ("http://localhost.example/v1", "http would send code and key in the clear"),
        ("https://judge.example/v1?key=1", "the base stands before /chat/completions"),
        ("https://judge.example/v1/chat/completions", "the base stands before /chat/completions"),
        ("https://judge.example/v 1", "printable ASCII"),
        ("https://judge.example/v1\x7f", "printable ASCII"),
        ("https://judge.example\\@other.example/v1", "user and password|printable ASCII"),
    ],
)
def test_an_address_that_cannot_be_used_is_an_error_of_one_line(address, rule):
    with pytest.raises(GreenlightError, match=rule) as caught:
        endpoint(address, "oracle", KEY, 1.0)
    assert "\n" not in str(caught.value)
    assert KEY not in str(caught.value)


def test_a_password_in_an_address_is_refused_and_not_shown():
    with pytest.raises(GreenlightError, match="no user and password") as caught:
        endpoint("https://me:hunter22@judge.example/v1", "oracle", None, 1.0)
    assert "hunter22" not in str(caught.value)


@pytest.mark.parametrize("address", ["http://127.0.0.1:8000/v1/", "http://localhost/v1", "http://[::1]:1/v1"])
def test_a_judge_on_this_machine_needs_no_tls(address):
    assert endpoint(address, "oracle", None, 1.0).address == f"{address.rstrip('/')}/chat/completions"


@pytest.mark.parametrize("key", [f"{KEY}\nX-Other: 1", f"{KEY} {KEY}", f"{KEY}é"])
def test_a_key_that_no_header_can_hold_is_an_error_that_does_not_show_it(key):
    with pytest.raises(GreenlightError, match="GREENLIGHT_JUDGE_KEY has characters") as caught:
        endpoint("https://judge.example", "oracle", key, 1.0)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("timeout_s", [0.0, -1.0, float("nan"), float("inf"), 1e9])
def test_a_time_out_is_a_positive_number_of_seconds_within_a_day(timeout_s):
    with pytest.raises(GreenlightError, match="time-out of"):
        endpoint("https://judge.example", "oracle", None, timeout_s)


def test_a_model_has_a_name():
    with pytest.raises(GreenlightError, match="give it with --judge-model"):
        endpoint("https://judge.example", " ", None, 1.0)


def test_the_representation_of_an_endpoint_hides_its_key():
    assert KEY not in repr(endpoint("https://judge.example", "oracle", KEY, 1.0))


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_to_another_place_gets_neither_code_nor_key(judge, serve, asked, status):
    other = serve()
    other.says()
    judge.replies(status, Location=f"{other.url}/chat/completions")
    answer = asked(key=KEY)
    assert f"redirects to {other.url}/chat/completions, where code and key are not sent" in answer.failure
    assert other.received == []


@pytest.mark.parametrize("location", ["//user@{host}/v1", "https://{host}/v1", "http://[", "http://localhost:{port}/"])
def test_a_redirect_that_only_looks_like_the_same_place_is_refused(judge, asked, location):
    host = judge.url.split("/")[2]
    judge.replies(307, Location=location.format(host=host, port=host.split(":")[1])).says()
    assert "where code and key are not sent" in asked(key=KEY).failure
    assert len(judge.received) == 1


def test_a_redirect_within_the_same_place_is_followed_with_the_question(judge, asked, opinion):
    judge.replies(308, Location="/v2/chat/completions?a=b").says(opinion())
    assert len(asked(key=KEY).opinions) == 1
    first, second = judge.received
    assert second.path == "/v2/chat/completions?a=b"
    assert second.body == first.body
    assert second.headers["Authorization"] == f"Bearer {KEY}"


def test_redirects_in_a_circle_come_to_an_end(judge, asked):
    judge.replies(307, Location="/v1/chat/completions")
    assert "redirects more than 3 times" in asked().failure
    assert len(judge.received) == 4


def test_what_is_sent_in_the_clear_to_this_machine_goes_through_no_proxy(judge, serve, asked, monkeypatch):
    proxy = serve()
    proxy.says()
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, proxy.url.removesuffix("/v1"))
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    judge.says()
    assert asked(key=KEY).failure is None
    assert (len(judge.received), proxy.received) == (1, [])


def test_a_certificate_that_nobody_trusts_is_no_verdict_and_gets_no_code(serve, asked, certificate):
    judge = serve(certificate=certificate)
    judge.says()
    assert "its certificate is not trusted" in asked(base_url=judge.url, key=KEY).failure
    assert judge.received == []


def test_a_certificate_whose_issuer_is_named_is_trusted(serve, asked, authority, certificate, monkeypatch, tmp_path):
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    judge = serve(certificate=certificate)
    judge.says()
    assert asked(base_url=judge.url, key=KEY).failure is None


@pytest.mark.parametrize("status", [400, 401, 404, 418, 500])
def test_a_server_that_repeats_the_key_does_not_get_it_printed(judge, asked, status):
    judge.replies(status, {"error": {"message": f"key {KEY[:9]}\x00{KEY[9:]} of {KEY}{'!' * 500}"}}, Retry_After="0")
    answer = asked(key=KEY)
    assert "key *** of ***" in answer.failure
    assert KEY not in repr(answer)


def test_neither_a_redirect_nor_an_opinion_carries_the_key_out(judge, asked, opinion):
    judge.says(opinion(issue=f"your key is {KEY}", suggestion=KEY))
    judge.replies(302, Location=f"https://elsewhere.example/?{KEY}")
    told = asked(key=KEY)
    assert told.opinions[0].issue == "your key is ***"
    assert KEY not in repr(told) + repr(asked(key=KEY))


def test_the_key_is_neither_logged_nor_printed(judge, asked, capfd, caplog):
    caplog.set_level(0)
    judge.replies(401).says()
    asked(key=KEY)
    asked(key=KEY)
    out, err = capfd.readouterr()
    assert KEY not in out + err + caplog.text
