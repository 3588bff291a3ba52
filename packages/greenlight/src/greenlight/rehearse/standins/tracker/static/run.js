// One run: curves, summary, configuration, tables, pictures, files, log; live while it runs.

import { ask, bytes, crumbs, make, moment, path, pill, repeat, segments, shown, span, values } from "./dom.js";
import { Charts } from "./charts.js";
import { Rows } from "./rows.js";

const [entity, project, , id] = segments;
const main = document.getElementById("main");
const rows = new Rows(entity, project, id), events = new Rows(entity, project, id, "events");
const charts = new Charts(() => [{ label: "run", slot: 0, rows }]);
const machine = new Charts(() => [{ label: "run", slot: 1, rows: events }]);
const live = (state) => ["running", "pending", "preempting"].includes(state);
const TABLE_ROWS = 200;
let known = { revision: -1, epoch: -1 }, built = false, state = "running";

crumbs([entity, path(entity)], [project, path(entity, project)], [id, null]);
document.title = `${id} · greenlight tracker`;

const parts = {};
for (const name of ["head", "summary", "config", "tables", "images", "files", "log"]) parts[name] = make("section", { class: "card", id: name });

function build() {
  built = true;
  const system = make("details", { class: "fold card", ontoggle: async (e) => {
    if (!e.target.open) return;
    await events.grow();
    machine.refresh();
  } }, make("summary", { text: "System metrics" }), machine.grid);
  machine.grid.id = "machine";
  const jump = make("nav", { class: "jump", "aria-label": "Sections" },
    ...[["curves", "Curves"], ["summary", "Summary"], ["config", "Configuration"], ["tables", "Tables"], ["images", "Images"], ["files", "Files"], ["log", "Log"]]
      .map(([target, text]) => make("a", { href: `#${target}`, text })));
  main.replaceChildren(parts.head, jump, charts.controls(), charts.grid,
    make("div", { class: "pairs" }, parts.summary, parts.config), parts.tables, parts.images, parts.log, parts.files, system);
  parts.system = system;
}

function head(run) {
  const fact = (name, value) => (value === null || value === undefined || value === "" ? null : make("div", {}, make("dt", { text: name }), make("dd", { text: value })));
  parts.head.replaceChildren(
    make("div", { class: "title" }, make("h1", { text: run.name }), pill(run.state), ...run.tags.map((tag) => make("span", { class: "tag", text: tag }))),
    make("dl", { class: "facts" }, fact("id", run.id), fact("started", moment(run.created_at)), fact("duration", span(run.duration_s)), fact("rows", shown(run.rows)),
      fact("group", run.group), fact("job type", run.job_type), fact("host", run.host), fact("program", run.program), fact("commit", run.commit),
      fact("exit code", run.exit_code || null)));
  if (run.notes) parts.head.append(make("p", { class: "notes", text: run.notes }));
}

function fill(section, title, ...content) {
  section.replaceChildren(make("h2", { text: title }), ...content);
}

function tables(files) {
  const found = files.filter((file) => /^media\/table\/.*\.table\.json$/.test(file.name));
  parts.tables.classList.toggle("hidden", !found.length);
  const open = new Set([...parts.tables.querySelectorAll("details[open]")].map((fold) => fold.dataset.name));
  fill(parts.tables, "Tables", ...found.map((file) => {
    const place = make("div", {});
    return make("details", { class: "fold", "data-name": file.name, open: open.has(file.name), ontoggle: (e) => e.target.open && !place.hasChildNodes() && table(file, place) },
      make("summary", { text: file.name.replace("media/table/", "").replace(".table.json", "") }), place);
  }));
}

async function table(file, place) {
  const content = await ask(file.url);
  const body = content.data.slice(0, TABLE_ROWS);
  const left = content.data.length - body.length;
  place.replaceChildren(
    make("div", { class: "scroll tall", tabindex: "0", role: "region", "aria-label": file.name },
      make("table", {}, make("thead", {}, make("tr", {}, ...content.columns.map((name) => make("th", { scope: "col", text: name })))),
        make("tbody", {}, ...body.map((row) => make("tr", {}, ...row.map((cell) => make("td", { class: typeof cell === "number" ? "number" : "", text: shown(cell) }))))))),
    make("p", { class: "quiet" }, `${left ? `the first ${body.length} of ` : ""}${content.data.length} rows, `, make("a", { href: file.url, text: "download" })));
}

function images(files) {
  const found = files.filter((file) => /^media\/images\/.*\.(png|jpe?g|gif)$/i.test(file.name));
  parts.images.classList.toggle("hidden", !found.length);
  fill(parts.images, "Images", make("div", { class: "gallery" }, ...found.map((file) => {
    const name = file.name.replace("media/images/", "");
    return make("figure", {}, make("a", { href: file.url }, make("img", { src: file.url, alt: name, loading: "lazy" })), make("figcaption", { text: name }));
  })));
}

function files(list) {
  fill(parts.files, "Files", list.length
    ? make("div", { class: "scroll tall", tabindex: "0", role: "region", "aria-label": "Files" }, make("table", {},
      make("thead", {}, make("tr", {}, ...["name", "size", "changed"].map((text) => make("th", { scope: "col", text })))),
      make("tbody", {}, ...list.map((file) => make("tr", {}, make("td", {}, make("a", { href: file.url, text: file.name })),
        make("td", { class: "number", text: bytes(file.size) }), make("td", { text: moment(file.updated_at) }))))))
    : make("p", { class: "quiet", text: "none yet" }));
}

// Lines come as "[ERROR ]TIME text"; colours of a terminal are dropped.
function logLine({ text }) {
  const bad = text.startsWith("ERROR "), rest = bad ? text.slice(6) : text;
  const said = rest.replace(/^\d{4}-\d\d-\d\dT[\d:.]+Z? ?/, "").replace(/\x1b\[[0-9;?]*[A-Za-z]/g, "");
  return make("span", { class: bad ? "bad" : "", text: `${said}\n` });
}

async function log(run) {
  const { total, lines } = await ask(`/-/data/log${path(entity, project, id)}`);
  const before = parts.log.querySelector(".log"), atEnd = !before || before.scrollHeight - before.scrollTop - before.clientHeight < 30;
  const box = make("pre", { class: "log", tabindex: "0", "aria-label": "Console output" }, ...lines.map(logLine));
  fill(parts.log, lines.length < total ? `Log (the last ${lines.length} of ${total} lines)` : "Log", lines.length ? box : make("p", { class: "quiet", text: "no output yet" }));
  box.scrollTop = atEnd ? box.scrollHeight : before.scrollTop;
}

async function turn() {
  const run = await ask(`/-/data/run${path(entity, project, id)}`).catch((error) => {
    if (!built) main.replaceChildren(make("p", { class: "card empty error", role: "alert", text: error.message }));
    throw error;
  });
  if (!built) build();
  state = run.state;
  head(run);
  document.title = `${run.name} · greenlight tracker`;
  if (run.revision !== known.revision) {
    const grown = await rows.grow();
    fill(parts.summary, "Summary", values(run.summary, "Summary"));
    fill(parts.config, "Configuration", values(run.config, "Configuration"));
    const listed = run.files.map((file) => `${file.name} ${file.updated_at}`).join("\n");
    if (listed !== known.listed) { tables(run.files); images(run.files); files(run.files); }
    await log(run);
    if (parts.system.open && (await events.grow()).size) machine.refresh();
    if (grown.size || known.revision < 0) charts.refresh();
    known = { ...run, listed };
    if (!charts.charts.size) charts.grid.replaceChildren(make("p", { class: "card empty", text: "No numbers logged yet." }));
    else charts.grid.querySelector(":scope > .empty")?.remove();
  }
  return live(run.state) ? "live, updates as rows arrive" : "up to date";
}

repeat(turn, () => (live(state) ? 1500 : 8000));
