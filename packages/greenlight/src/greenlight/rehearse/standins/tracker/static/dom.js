// Elements and formats. Text from a run only ever becomes a text node or an attribute value, never markup.

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") element.className = value;
    else if (name === "text") element.textContent = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export async function ask(path) {
  const response = await fetch(path, { credentials: "same-origin" });
  if (response.status === 401) {
    location.assign(`/-/login?to=${encodeURIComponent(location.pathname)}`);
    throw new Error("logged out");
  }
  if (!response.ok) throw new Error((await response.text()) || `HTTP ${response.status}`);
  return response.json();
}

export const segments = location.pathname.split("/").filter(Boolean).map(decodeURIComponent);
export const path = (...parts) => `/${parts.map(encodeURIComponent).join("/")}`;

export function crumbs(...entries) {
  const nav = document.getElementById("crumbs");
  entries.forEach(([text, href], i) => {
    if (i) nav.append(make("span", { text: "/", "aria-hidden": "true" }));
    nav.append(href ? make("a", { href, text }) : make("span", { text, "aria-current": "page" }));
  });
}

export function number(value) {
  if (typeof value !== "number") return String(value);
  if (Number.isInteger(value) && Math.abs(value) < 1e9) return value.toLocaleString("en");
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-3 || size >= 1e6) ? value.toExponential(3) : String(Number(value.toPrecision(5)));
}

export function shown(value) {
  if (value === null || value === undefined) return "–";
  if (typeof value === "number") return number(value);
  if (typeof value !== "object") return String(value);
  if (value._type === "table-file") return `table of ${value.nrows} rows`;
  if (value._type === "images/separated") return `${value.count} images`;
  return typeof value._type === "string" && value.path ? `${value._type} ${value.path}` : JSON.stringify(value);
}

export function span(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}

export function bytes(size) {
  if (size < 1000) return `${size} B`;
  for (const [unit, power] of [["kB", 1e3], ["MB", 1e6], ["GB", 1e9]]) {
    if (size < power * 1000 || unit === "GB") return `${(size / power).toPrecision(3)} ${unit}`;
  }
  return "";
}

export const moment = (seconds) => new Date(seconds * 1000).toLocaleString();

export function pill(state) {
  const known = ["running", "pending", "preempting", "finished", "failed", "crashed"];
  return make("span", { class: `pill state-${known.includes(state) ? state : "other"}`, text: state });
}

// the client's own entries, shown elsewhere as duration, rows and times
const HIDDEN = new Set(["_runtime", "_step", "_timestamp"]);

export function values(entries, label) {
  const keys = Object.keys(entries).filter((key) => !HIDDEN.has(key)).sort();
  if (!keys.length) return make("p", { class: "quiet", text: "nothing" });
  return make("div", { class: "scroll tall", tabindex: "0", role: "region", "aria-label": label },
    make("table", { class: "values" }, make("tbody", {}, ...keys.map((key) =>
      make("tr", {}, make("th", { scope: "row", text: key }),
        make("td", { class: typeof entries[key] === "number" ? "number" : "", text: shown(entries[key]) }))))));
}

// Runs `task` again and again, never twice at once, and rests while nobody looks at the page.
export function repeat(task, pause_ms) {
  const note = document.getElementById("live");
  let timer = 0, busy = false;
  const turn = async () => {
    clearTimeout(timer);
    if (busy) return;
    busy = true;
    try {
      const state = await task();
      note.textContent = state;
    } catch (error) {
      note.textContent = `no connection: ${error.message}`;
    }
    busy = false;
    if (!document.hidden) timer = setTimeout(turn, pause_ms());
  };
  document.addEventListener("visibilitychange", () => { if (!document.hidden) turn(); });
  return turn();
}
