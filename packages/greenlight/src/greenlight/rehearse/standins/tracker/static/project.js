// The runs of a project side by side: their curves over each other, a table of results and of what differs.

import { ask, crumbs, make, moment, path, pill, repeat, segments, shown, span } from "./dom.js";
import { Charts, colour, onTheme } from "./charts.js";
import { Rows } from "./rows.js";

const [entity, project] = segments;
const main = document.getElementById("main");
const rows = new Map(), chosen = new Set(), slots = new Map();
const live = (run) => ["running", "pending", "preempting"].includes(run.state);
const FIRST = 8;
let runs = [], before = "", sort = null;

crumbs([entity, path(entity)], [project, null]);
document.title = `${project} · greenlight tracker`;
const charts = new Charts(() => runs.filter((run) => chosen.has(run.number) && rows.has(run.number))
  .map((run) => ({ label: run.name, slot: slots.get(run.number), rows: rows.get(run.number) })));
const list = make("section", { class: "card", id: "runs" });
const scalar = (value) => value === null || ["number", "string", "boolean"].includes(typeof value);

function differing(part) {
  const keys = new Set(runs.flatMap((run) => Object.keys(run[part])));
  return [...keys].filter((key) => {
    const seen = runs.map((run) => JSON.stringify(run[part][key]));
    return runs.length > 1 && new Set(seen).size > 1;
  }).sort();
}

function columns() {
  const plain = [
    { title: "state", value: (run) => run.state, cell: (run) => make("td", {}, pill(run.state)) },
    { title: "started", value: (run) => run.created_at, cell: (run) => make("td", { text: moment(run.created_at) }) },
    { title: "duration", value: (run) => run.duration_s, cell: (run) => make("td", { class: "number", text: span(run.duration_s) }) },
    { title: "rows", value: (run) => run.rows, cell: (run) => make("td", { class: "number", text: shown(run.rows) }) },
  ];
  const named = (part, keys) => keys.map((key) => ({
    title: part === "config" ? `${key} (config)` : key, value: (run) => run[part][key],
    cell: (run) => make("td", { class: typeof run[part][key] === "number" ? "number" : "", text: shown(run[part][key]), title: shown(run[part][key]) }),
  }));
  const results = [...new Set(runs.flatMap((run) => Object.keys(run.summary).filter((key) => !key.startsWith("_") && scalar(run.summary[key]))))].sort();
  return [plain[0], ...named("config", differing("config")), ...named("summary", results), ...plain.slice(1)];
}

function ordered(all) {
  const column = all.find((candidate) => candidate.title === sort?.title);
  if (!column) return runs;
  const missing = (value) => value === undefined || value === null || value === "NaN";
  return [...runs].sort((a, b) => {
    const x = column.value(a), y = column.value(b);
    if (missing(x) || missing(y)) return missing(x) - missing(y); // what is missing comes last either way
    const order = typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y));
    return sort.up ? order : -order;
  });
}

function table() {
  const all = columns(), focus = document.activeElement?.dataset.focus;
  const scrolled = list.querySelector(".scroll")?.scrollLeft ?? 0;
  const header = (column) => make("th", { scope: "col", class: runs.some((run) => typeof column.value(run) === "number") ? "number" : "", "aria-sort": sort?.title === column.title ? (sort.up ? "ascending" : "descending") : "none" },
    make("button", { type: "button", text: column.title, "data-focus": `sort ${column.title}`, onclick: () => {
      sort = { title: column.title, up: sort?.title === column.title ? !sort.up : true };
      table();
    } }));
  const line = (run) => {
    const mark = make("span", { class: "swatch", "aria-hidden": "true" });
    mark.style.background = chosen.has(run.number) ? colour(slots.get(run.number)) : "transparent";
    const box = make("input", { type: "checkbox", "data-focus": `run ${run.number}`, "aria-label": `draw ${run.name}`, onchange: (e) => choose(run, e.target.checked) });
    box.checked = chosen.has(run.number);
    return make("tr", {}, make("th", { scope: "row", class: "stuck" }, make("span", { class: "pick" }, box, mark,
      make("a", { href: path(entity, project, "runs", run.id), text: run.name, title: run.id }))), ...all.map((column) => column.cell(run)));
  };
  list.replaceChildren(make("h2", { text: `${runs.length} ${runs.length === 1 ? "run" : "runs"}` }),
    make("div", { class: "scroll tall", tabindex: "0", role: "region", "aria-label": "Runs, their results and what differs in their configuration" },
      make("table", { class: "runs" }, make("thead", {}, make("tr", {}, make("th", { scope: "col", class: "stuck", text: "run" }), ...all.map(header))),
        make("tbody", {}, ...ordered(all).map(line)))));
  list.querySelector(".scroll").scrollLeft = scrolled;
  if (focus) [...list.querySelectorAll("[data-focus]")].find((element) => element.dataset.focus === focus)?.focus();
}

function take(run) {
  chosen.add(run.number);
  if (slots.has(run.number)) return;
  const used = new Set(slots.values());
  let slot = 0;
  while (used.has(slot)) slot++;
  slots.set(run.number, slot);
}

async function choose(run, wanted) {
  if (wanted) take(run);
  else { chosen.delete(run.number); slots.delete(run.number); }
  table();
  await grow();
  charts.refresh();
}

async function grow() {
  let grown = false;
  for (const run of runs.filter((candidate) => chosen.has(candidate.number))) {
    if (!rows.has(run.number)) rows.set(run.number, new Rows(entity, project, run.id));
    const known = rows.get(run.number);
    if (known.epoch === run.epoch && known.next >= run.rows) continue;
    grown = (await known.grow()).size > 0 || grown;
  }
  return grown;
}

async function turn() {
  const reply = await ask(`/-/data/runs${path(entity, project)}`).catch((error) => {
    if (!before) main.replaceChildren(make("p", { class: "card empty error", role: "alert", text: error.message }));
    throw error;
  });
  const first = !before;
  const fresh = reply.runs.filter((run) => !runs.some((old) => old.number === run.number));
  runs = reply.runs;
  for (const number of [...chosen]) if (!runs.some((run) => run.number === number)) { chosen.delete(number); slots.delete(number); rows.delete(number); }
  fresh.slice(0, Math.max(0, FIRST - chosen.size)).reverse().forEach(take); // the youngest, coloured by age
  if (first) main.replaceChildren(make("h1", { text: project }), list, charts.controls(), charts.grid);
  const now = JSON.stringify(runs);
  if (now !== before) { before = now; table(); }
  if ((await grow()) || first) charts.refresh();
  return runs.some(live) ? "live, updates as rows arrive" : "up to date";
}

onTheme(table);
repeat(turn, () => (runs.some(live) ? 2000 : 6000));
