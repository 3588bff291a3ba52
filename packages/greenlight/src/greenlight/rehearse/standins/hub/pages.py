"""Small pages for people: what is served, how to use it, and the card and files of one repository."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from html import escape
from urllib.parse import quote

import yaml
from starlette.responses import HTMLResponse

from greenlight.rehearse.standins.hub import card
from greenlight.rehearse.standins.hub.snapshot import Snapshot

_STYLE = (
    ":root{color-scheme:light dark}"
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "pre{overflow:auto;padding:1rem;border:1px solid #8886;border-radius:.4rem;white-space:pre-wrap}"
    "table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.25rem .75rem .25rem 0;"
    "border-bottom:1px solid #8884;overflow-wrap:anywhere}"
    "td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}code{overflow-wrap:anywhere}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_CARD_CHARACTERS = 100_000
_FILES_SHOWN = 2000


def _page(title: str, body: str, status: int = 200) -> HTMLResponse:
    text = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body>{body}</body></html>"
    )
    return HTMLResponse(text, status, {"Content-Security-Policy": _POLICY})


def _size(size_bytes: float) -> str:
    for unit in ("B", "kB", "MB"):
        if size_bytes < 1000:
            return f"{size_bytes:.0f} {unit}" if unit == "B" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:.1f} GB"


def configuration_names(snapshot: Snapshot) -> list[str]:
    """Return the names of a data set's configurations as its card gives them."""
    blocks = snapshot.card().metadata.get("configs")
    if not isinstance(blocks, list):
        return []
    return [str(block["config_name"]) for block in blocks if isinstance(block, dict) and "config_name" in block]


def _loading(snapshot: Snapshot) -> str:
    repository = snapshot.repository
    if repository.kind == "dataset":
        names = configuration_names(snapshot)
        arguments = f'"{repository.id}", "{names[0]}"' if names else f'"{repository.id}"'
        return f"from datasets import load_dataset\n\nload_dataset({arguments})"
    gguf = next((path for path in snapshot.entries if path.endswith(".gguf")), None)
    arguments = f'"{repository.id}", gguf_file="{gguf}"' if gguf else f'"{repository.id}"'
    return f"from transformers import AutoModelForCausalLM\n\nAutoModelForCausalLM.from_pretrained({arguments})"


def home(address: str, snapshots: Sequence[Snapshot], *, token: bool) -> HTMLResponse:
    """Return the page that lists what is served.

    Parameters
    ----------
    address
        The base address of the hub as the visitor wrote it.
    snapshots
        What is served.
    token
        Whether clients need a token.
    """
    rows = "".join(
        f"<tr><td>{'model' if found.repository.kind == 'model' else 'data set'}</td>"
        f'<td><a href="/{quote(found.repository.address)}">{escape(found.repository.id)}</a></td>'
        f'<td class="n">{len(found.entries)}</td>'
        f'<td class="n">{_size(sum(entry.size_bytes for entry in found.entries.values()))}</td>'
        f"<td><code>{found.commit[:12]}</code></td></tr>"
        for found in snapshots
    )
    use = f"export HF_ENDPOINT={address}" + (
        "\nexport HF_TOKEN=...   # the token this hub was started with" if token else ""
    )
    return _page(
        "greenlight hub",
        "<h1>greenlight hub</h1><p>A read-only Hugging Face hub on this machine. In the shell of your experiment:</p>"
        f"<pre>{escape(use)}</pre><p>Then <code>transformers</code>, <code>datasets</code> and "
        "<code>huggingface_hub</code> download from here, unmodified.</p>"
        '<table><thead><tr><th>kind</th><th>id</th><th class="n">files</th><th class="n">size</th><th>commit</th></tr>'
        f"</thead><tbody>{rows}</tbody></table>",
    )


def repository(snapshot: Snapshot) -> HTMLResponse:
    """Return the page of one repository: how to load it, its card as text, its files."""
    found = snapshot.repository
    base = f"/{quote(found.address)}/resolve/main/"
    shown = list(snapshot.entries.values())[:_FILES_SHOWN]
    rows = "".join(
        f'<tr><td><a href="{base}{quote(entry.path)}">{escape(entry.path)}</a></td>'
        f'<td class="n">{_size(entry.size_bytes)}</td><td><code>{entry.digest.etag[:12]}</code></td></tr>'
        for entry in shown
    )
    more = len(snapshot.entries) - len(shown)
    text = snapshot.card()
    parts = [
        f'<p><a href="/">greenlight hub</a></p><h1>{escape(found.id)}</h1>'
        f"<p>{'Model' if found.kind == 'model' else 'Data set'}, commit <code>{snapshot.commit}</code></p>"
        f"<pre>{escape(_loading(snapshot))}</pre><h2>Files</h2>"
        '<table><thead><tr><th>file</th><th class="n">size</th><th>hash</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    ]
    if more > 0:
        parts.append(f"<p>and {more} more</p>")
    if text.metadata or text.text.strip():
        metadata = yaml.safe_dump(dict(text.metadata), sort_keys=False, allow_unicode=True) if text.metadata else ""
        body = "\n".join(filter(None, (metadata, text.text.strip())))
        cut = "\n[...]" if len(body) > _CARD_CHARACTERS else ""
        parts.append(f"<h2>{card.NAME}</h2><pre>{escape(body[:_CARD_CHARACTERS] + cut)}</pre>")
    return _page(found.id, "".join(parts))


def missing(sentence: str) -> HTMLResponse:
    """Return the page for an address that leads nowhere."""
    return _page("not here", f'<p><a href="/">greenlight hub</a></p><h1>Not here</h1><p>{escape(sentence)}</p>', 404)
