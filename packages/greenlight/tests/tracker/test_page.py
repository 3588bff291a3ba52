"""The pages in a real browser: log in, see curves, watch a row arrive, compare runs, survive hostile names."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ARGUMENTS = [
    "--no-sandbox", "--headless", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
EVIL = '<img src=x onerror="window.attacked=1"><script>window.attacked=1</script>'
EVIL_LINK = '<a href="javascript:window.attacked=1">x</a>'


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="the playwright package is not installed")
    with api.sync_playwright() as playwright:
        executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        executable = executable or playwright.chromium.executable_path
        if not Path(executable).exists():
            pytest.skip("no chromium: install it from the distribution or with `playwright install chromium`")
        running = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield running
        running.close()


def rows(rate: float) -> list[dict[str, Any]]:
    """Return fifty rows of a run, one of which holds a number that is not finite."""
    made = [
        {
            "_step": i,
            "_runtime": i / 2,
            "_timestamp": 1.7e9 + i,
            "train/loss": math.exp(-rate * i),
            "deep": {"x": i},
            "dev": i,
        }
        for i in range(50)
    ]
    made[7]["train/loss"] = math.nan
    return made


@pytest.fixture(scope="module")
def filled(tracker: Any) -> Any:
    for name, rate in (("one", 0.1), ("two", 0.2)):
        path = f"lab/page/{name}"
        tracker.make_run(
            path,
            displayName=f"run {name}",
            config=json.dumps({"lr": {"value": rate}, "same": {"value": 1}}),
            tags=["t"],
        )
        tracker.log(path, 0, rows(rate))
        tracker.post(path, "wandb-summary.json", 0, [json.dumps({"score": 1 + rate, "_step": 49})])
    tracker.post(
        "lab/page/one",
        "output.log",
        0,
        ["2026-01-01T00:00:00.000000 hello log", "ERROR 2026-01-01T00:00:00 bad \x1b[31mred\x1b[0m"],
    )
    upload(
        tracker,
        "lab/page/one",
        "media/table/t_1_abc.table.json",
        json.dumps({"columns": ["q", EVIL], "data": [[EVIL, 1]]}).encode(),
    )
    return tracker


def upload(tracker: Any, path: str, name: str, content: bytes) -> None:
    entity, project, run = path.split("/")
    query = (
        "mutation F($e: String!, $p: String!, $r: String!, $f: [String!]!) {"
        " createRunFiles(input: {entityName: $e, projectName: $p,"
        " runName: $r, files: $f}) { files { uploadUrl } } }"
    )
    address = tracker.graphql(query, e=entity, p=project, r=run, f=[name])["createRunFiles"]["files"][0]["uploadUrl"]
    assert tracker.ask("PUT", address, content)[0] == 200


@pytest.fixture
def page(browser: Any, filled: Any) -> Iterator[Any]:
    """Return a logged-in page on which any error, policy violation or outside request fails the test."""
    context = browser.new_context(viewport={"width": 1300, "height": 1000})
    tab = context.new_page()
    tab.set_default_timeout(100_000)
    trouble: list[str] = []
    tab.on("pageerror", lambda error: trouble.append(str(error)))
    tab.on("console", lambda message: trouble.append(message.text) if message.type == "error" else None)
    tab.on(
        "request",
        lambda request: (
            None if request.url.startswith((filled.base, "blob:", "data:")) else trouble.append(request.url)
        ),
    )
    tab.goto(filled.base + "/lab/page")
    tab.get_by_label("API key").fill(filled.key)
    tab.get_by_role("button", name="Open").click()
    tab.wait_for_url("**/lab/page")
    yield tab
    if shots := os.environ.get("TRACKER_SHOTS"):
        tab.screenshot(
            path=f"{shots}/{os.environ['PYTEST_CURRENT_TEST'].split('::')[1].split()[0]}.png", full_page=True
        )
    context.close()
    assert trouble == []


def wait_for_points(page: Any, key: str, count: int) -> None:
    page.wait_for_function(
        "([key, count]) => { const f = [...document.querySelectorAll('.chart')].find(e => e.dataset.key === key);"
        "const p = f && f.querySelector('.js-plotly-plot');"
        "return p && p.data.reduce((n, t) => n + t.x.length, 0) === count; }",
        arg=[key, count],
    )


def test_a_wrong_key_is_told_and_the_right_one_leads_to_the_asked_page(browser: Any, filled: Any) -> None:
    context = browser.new_context()
    tab = context.new_page()
    tab.goto(filled.base + "/lab/page/runs/one")
    tab.get_by_label("API key").fill("wrong")
    tab.get_by_role("button", name="Open").click()
    assert "not the key" in tab.get_by_role("alert").inner_text()
    tab.get_by_label("API key").fill(filled.key)
    tab.keyboard.press("Enter")
    tab.wait_for_url("**/lab/page/runs/one")
    context.close()


def test_the_run_page_shows_curves_and_what_is_known_of_the_run(page: Any, filled: Any) -> None:
    page.goto(filled.base + "/lab/page/runs/one")
    wait_for_points(page, "train/loss", 50)
    keys = page.eval_on_selector_all(".chart .key", "elements => elements.map(e => e.textContent)")
    assert keys == ["deep.x", "dev", "train/loss"]
    assert (
        page.locator(".chart[data-key='train/loss'] .odd").inner_text() == "1 of 50 values are not finite and not drawn"
    )
    for text in ("run one", "running", "lr", "score", "hello log", "bad red"):
        assert text in page.locator("main").inner_text()


def test_a_row_logged_later_appears_without_reload(page: Any, filled: Any) -> None:
    # A run of its own: the other tests count the points of theirs.
    filled.make_run("lab/live/one")
    filled.log("lab/live/one", 0, rows(0.1))
    page.goto(filled.base + "/lab/live/runs/one")
    wait_for_points(page, "train/loss", 50)
    page.evaluate("window.stays = 1")
    filled.log(
        "lab/live/one", 50, [{"_step": 50, "_runtime": 25, "_timestamp": 1.7e9 + 50, "train/loss": 9.5, "new": 1}]
    )
    wait_for_points(page, "train/loss", 51)
    wait_for_points(page, "new", 1)
    assert page.evaluate("window.stays") == 1
    assert page.locator(".chart[data-key='train/loss'] .last").inner_text() == "last 9.5"


def test_axis_log_scale_smoothing_search_and_zoom_work_from_the_keyboard(page: Any, filled: Any) -> None:
    page.goto(filled.base + "/lab/page/runs/two")
    wait_for_points(page, "train/loss", 50)
    plot = ".chart[data-key='train/loss'] .js-plotly-plot"
    state = f'document.querySelector("{plot}")'
    page.get_by_label("x axis").select_option("elapsed")
    assert page.evaluate(f"{state}.data[0].x.slice(0, 3)") == [0, 0.5, 1]
    page.get_by_label("x axis").select_option("wall")
    assert page.evaluate(f"{state}._fullLayout.xaxis.type") == "date"
    page.get_by_label("x axis").select_option("step")
    page.get_by_label("log y").focus()
    page.keyboard.press("Space")
    assert page.evaluate(f"{state}._fullLayout.yaxis.type") == "log"
    raw = page.evaluate(f"{state}.data[0].y")
    page.get_by_label("smoothing").fill("0.5")
    smooth = page.evaluate(f"{state}.data[0].y")
    mean, expected = 0.0, []
    for n, value in enumerate([value for value in raw if value is not None], 1):
        mean = 0.5 * mean + 0.5 * value
        expected.append(mean / (1 - 0.5**n))
    assert [value for value in smooth if value is not None] == pytest.approx(expected)
    page.get_by_label("find").fill("loss")
    assert page.locator(".chart:visible").count() == 1
    page.evaluate(f"Plotly.relayout({state}, {{'xaxis.range[0]': 10, 'xaxis.range[1]': 20}})")
    page.wait_for_function(f"{state}.data[0].x.length < 20")
    assert page.evaluate(f"{state}.data[0].x") == list(range(9, 22))


def test_the_project_page_lays_both_runs_over_each_other(page: Any, filled: Any) -> None:
    wait_for_points(page, "deep.x", 100)
    assert page.evaluate(
        "document.querySelector('.chart[data-key=\"dev\"] .js-plotly-plot').data.map(t => t.name).sort()"
    ) == ["run one", "run two"]
    head = page.eval_on_selector_all("#runs thead th", "cells => cells.map(c => c.textContent)")
    assert "lr (config)" in head
    assert "same (config)" not in head
    assert "score" in head
    page.get_by_role("button", name="score").click()
    names = page.eval_on_selector_all("#runs tbody th a", "links => links.map(l => l.textContent)")
    assert names == ["run one", "run two"]
    page.get_by_role("button", name="score").click()
    assert page.eval_on_selector_all("#runs tbody th a", "links => links.map(l => l.textContent)") == [
        "run two",
        "run one",
    ]
    page.get_by_label("draw run two").uncheck()
    page.wait_for_function("document.querySelector('.chart[data-key=\"dev\"] .js-plotly-plot').data.length === 1")


def test_names_keys_and_values_of_a_run_stay_text(page: Any, filled: Any) -> None:
    path = f"lab/attack/{EVIL_LINK.replace('/', '').replace(':', '').replace('%', '')}"
    filled.make_run(
        path, displayName=EVIL, notes=EVIL, tags=[EVIL], groupName=EVIL,
        config=json.dumps({EVIL: {"value": EVIL}}), summaryMetrics=json.dumps({EVIL: EVIL, "n": {EVIL: 1}}),
    )  # fmt: skip
    filled.make_run("lab/attack/b", displayName=EVIL_LINK)
    quoted = __import__("urllib.parse", fromlist=["quote"]).quote(path)
    for target in (quoted, "lab/attack/b"):
        filled.log(target, 0, [{"_step": i, EVIL: i, EVIL_LINK: i} for i in range(5)])
        filled.post(target, "output.log", 0, [EVIL])
    entity, project, run = quoted.split("/")
    for address in ("/", f"/{entity}/{project}", f"/{entity}/{project}/runs/{run}", "/lab/page/runs/one"):
        page.goto(filled.base + address)
        page.wait_for_selector("h1")
        if "attack" in address:
            page.wait_for_selector(".js-plotly-plot .scatterlayer path")
            page.locator(".js-plotly-plot .nsewdrag").first.hover()
            page.wait_for_selector(".hoverlayer text")
            if "runs" not in address:
                assert "<img src=x" in "".join(page.locator(".hoverlayer text").all_text_contents())
        for fold in page.locator("#tables summary").all():
            fold.click()
            page.wait_for_selector("#tables td")
        page.wait_for_timeout(300)
        assert page.evaluate("window.attacked") is None
        assert page.locator("main img[src='x'], main script, main a[href^='javascript']").count() == 0
        assert page.locator("svg a").count() == 0
    page.goto(filled.base + f"/{entity}/{project}/runs/{run}")
    page.wait_for_selector("h1")
    assert page.locator("h1").inner_text() == EVIL


def test_a_page_of_nothing_says_so(page: Any, filled: Any) -> None:
    context = page.context.browser.new_context(storage_state=page.context.storage_state())
    tab = context.new_page()
    for address, text in (("/lab/none", "no project lab/none"), ("/lab/page/runs/none", "no run none")):
        answer = tab.goto(filled.base + address)
        assert answer.status == 404
        tab.get_by_role("alert").wait_for()
        assert text in tab.get_by_role("alert").inner_text()
    filled.make_run("lab/hollow/empty")
    tab.goto(filled.base + "/lab/hollow/runs/empty")
    tab.get_by_text("No numbers logged yet.").wait_for()
    context.close()


def test_every_control_has_a_name_and_keyboard_focus_is_visible(page: Any, filled: Any) -> None:
    for address in ("/lab/page", "/lab/page/runs/one"):
        page.goto(filled.base + address)
        page.wait_for_selector(".js-plotly-plot")
        nameless = page.evaluate(
            "[...document.querySelectorAll('input, select, button, a[href], [role=region], img')]"
            ".filter(e => !(e.textContent.trim() ||"
            "e.getAttribute('aria-label') || e.labels?.length || e.getAttribute('alt') !== null ||"
            "e.dataset.title)).map(e => e.outerHTML)"
        )
        assert nameless == []
        page.keyboard.press("Tab")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"
        assert page.evaluate("document.activeElement.className") == "skip"
