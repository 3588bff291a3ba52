import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from greenlight import endpoints
from greenlight.errors import GreenlightError


class Refusing(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_error(401)

    def log_message(self, *args):
        pass


@pytest.fixture
def answering():
    with HTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def nobody():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_a_tracker_that_does_not_answer_is_named_with_the_remedy(monkeypatch, nobody):
    monkeypatch.setenv("WANDB_BASE_URL", nobody)
    with pytest.raises(GreenlightError, match=f"tracker {nobody}: cannot be reached .*greenlight tracker"):
        endpoints.check_tracker()


def test_a_hub_that_does_not_answer_is_named_unless_the_client_is_offline(monkeypatch, nobody):
    monkeypatch.setenv("HF_ENDPOINT", nobody)
    with pytest.raises(GreenlightError, match=f"hub {nobody}: cannot be reached .*greenlight hub"):
        endpoints.check_hub()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    endpoints.check_hub()


def test_a_tracker_without_a_key_is_an_error_and_the_local_key_is_found(monkeypatch, answering, tmp_path):
    monkeypatch.setenv("WANDB_BASE_URL", answering)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    with pytest.raises(GreenlightError, match="no API key; set WANDB_API_KEY"):
        endpoints.check_tracker()
    home = tmp_path / "greenlight" / "tracker"
    home.mkdir(parents=True)
    (home / "api_key").write_text("k" * 40 + "\n")
    endpoints.check_tracker()
    import os

    assert os.environ["WANDB_API_KEY"] == "k" * 40


def test_an_address_without_a_scheme_is_refused(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "127.0.0.1:80")
    with pytest.raises(GreenlightError, match="begins with http"):
        endpoints.check_hub()
