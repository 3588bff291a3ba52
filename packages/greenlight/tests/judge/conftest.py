"""A judge that speaks the OpenAI protocol on this machine and says what a test wants it to say."""

import json
import ssl
import threading
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import trustme

from greenlight.contract.submission import Submission
from greenlight.judge import ask
from greenlight.review.finding import Finding, Severity

MODEL = """\
import torch


class Reactor(torch.nn.Module):
    def loss(self, logits, actions):
        advantage = self.reward(actions)
        return -advantage.detach().mean()

    def entropy(self, logits):
        advantage = self.reward(actions)
        return logits.softmax(-1).log().mean()
"""
TRAIN = """\
from src.model import Reactor

def main(cfg):
    optimizer = build_optimizer(cfg.training)
"""


@dataclass(frozen=True)
class Received:
    path: str
    headers: dict[str, str]
    body: dict


@dataclass
class Judge:
    """What the server has received, and what it is to do next; the last of ``script`` is repeated."""

    received: list = field(default_factory=list)
    script: list = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)
    url: str = ""

    def replies(self, status, body=b"", **headers):
        """Add a reply; names of headers have underscores for hyphens."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.script.append(partial(_send, status=status, content=content, headers=headers))
        return self

    def writes(self, content, finish_reason="stop", **message):
        """Add a chat completion with this text."""
        said = {"role": "assistant", "content": content, **message}
        return self.replies(200, {"choices": [{"index": 0, "message": said, "finish_reason": finish_reason}]})

    def says(self, *opinions):
        """Add an answer with these opinions."""
        return self.writes(json.dumps({"opinions": opinions}))

    def does(self, action):
        """Add a function of the server's handler."""
        self.script.append(action)
        return self


def _send(handler, status, content, headers):
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        judge = self.server.judge
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        judge.received.append(Received(self.path, dict(self.headers.items()), body))
        judge.script[min(len(judge.received), len(judge.script)) - 1](self)

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A client that hangs up is what some tests are about."""


@pytest.fixture
def serve():
    """Return a function that starts another judge."""
    running = []

    def start(*, certificate=None):
        server = Server(("127.0.0.1", 0), Handler)
        judge = server.judge = Judge()
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        judge.url = f"http{'s' if certificate else ''}://127.0.0.1:{server.server_port}/v1"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        running.append((server, thread))
        return judge

    yield start
    for server, thread in running:
        server.judge.stopping.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def judge(serve):
    return serve()


@pytest.fixture
def authority():
    """Make an authority that nobody trusts."""
    return trustme.CA()


@pytest.fixture
def certificate(tmp_path, authority):
    """Name a certificate with its key."""
    issued = authority.issue_cert("127.0.0.1")
    path = tmp_path / "certificate.pem"
    issued.private_key_and_cert_chain_pem.write_to_path(path)
    return path


@pytest.fixture
def experiment():
    files = {"src/train.py": TRAIN.encode(), "src/model.py": MODEL.encode()}
    return Submission("reactor", "bundle", files, hypothesis="REACTOR is a policy gradient over the learning rate.")


@pytest.fixture
def finding():
    return Finding("src/train.py", 4, 5, "GL999", "build_optimizer is nowhere defined", "Define it.", Severity.BLOCKER)


@pytest.fixture
def asked(judge, experiment, finding):
    """Return a function that asks the judge; arguments take the place of the usual ones."""

    def asking(submission=experiment, findings=(finding,), **given):
        usual = {"base_url": judge.url, "model": "oracle", "key": None, "timeout_s": 20.0}
        return ask(submission, findings, **(usual | given))

    return asking


@pytest.fixture
def opinion():
    """Return a function that makes an opinion that holds; arguments take the place of its fields."""

    def made(**given):
        return {
            "path": "src/model.py",
            "line": 7,
            "quote": "return -advantage.detach().mean()",
            "criterion": "fidelity",
            "issue": "No log-probability is in the loss, so that no gradient reaches the policy.",
            "suggestion": "Multiply the log-probability of the actions by the advantage.",
        } | given

    return made
