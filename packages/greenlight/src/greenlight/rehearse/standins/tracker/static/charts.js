// A grid of curves, one chart for a metric, one line for a run; drawn when it comes into view.

import { make, number } from "./dom.js";
import { smoothed, thinned } from "./rows.js";

const LIGHT = ["#0072b2", "#d55e00", "#008a63", "#a8459a", "#7a6a00", "#3a7fd5", "#b03a2e", "#4d5656"];
const DARK = ["#5fb3f0", "#ff9e5e", "#3ddba6", "#e79bd3", "#e8d44d", "#a3b8ff", "#ff8a7a", "#c5ced6"];
const DASHES = ["solid", "dash", "dot", "dashdot"];
const AXES = { step: "step", elapsed: "elapsed time (s)", wall: "wall time" };
const dark = matchMedia("(prefers-color-scheme: dark)");
const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export const colour = (i) => (dark.matches ? DARK : LIGHT)[i % LIGHT.length];
export const onTheme = (act) => dark.addEventListener("change", act);

const order = (a, b) => a.localeCompare(b, "en", { numeric: true });

// Plotly reads a little markup in names; a run's name is text.
const literal = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

export class Charts {
  // sources() gives the lines: { label, slot, rows } each.
  constructor(sources) {
    this.sources = sources;
    this.charts = new Map();
    this.view = { axis: "step", log: false, smoothing: 0, filter: "" };
    this.grid = make("section", { id: "curves", class: "charts", "aria-label": "Curves" });
    this.seen = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        const chart = this.charts.get(entry.target.dataset.key);
        if (chart) { chart.visible = entry.isIntersecting; if (chart.visible && chart.stale) this.draw(chart); }
      }
    }, { rootMargin: "300px" });
    onTheme(() => this.refresh());
  }

  controls() {
    const set = (name, value) => { this.view[name] = value; this.refresh(true); };
    const amount = make("output", { text: "0", for: "smoothing" });
    return make("div", { class: "card controls", role: "group", "aria-label": "How the curves are drawn" },
      make("label", {}, "x axis", make("select", { id: "axis", onchange: (e) => set("axis", e.target.value) },
        ...Object.entries(AXES).map(([value, text]) => make("option", { value, text })))),
      make("label", {}, make("input", { type: "checkbox", id: "log", onchange: (e) => set("log", e.target.checked) }), "log y"),
      make("label", {}, "smoothing", make("input", { type: "range", id: "smoothing", min: 0, max: 0.99, step: 0.01, value: 0,
        oninput: (e) => { amount.textContent = e.target.value; set("smoothing", Number(e.target.value)); } }), amount),
      make("label", {}, "find", make("input", { type: "search", id: "find", placeholder: "metric", oninput: (e) => set("filter", e.target.value) })));
  }

  keys() {
    const keys = new Set();
    for (const { rows } of this.sources()) for (const key of rows.series.keys()) keys.add(key);
    return [...keys].sort(order);
  }

  // Makes charts for new keys, takes away what no line has any more, marks the rest for drawing.
  refresh(rescale = false) {
    const keys = this.keys(), wanted = new Set(keys);
    for (const [key, chart] of this.charts) {
      if (!wanted.has(key)) { this.seen.unobserve(chart.figure); Plotly.purge(chart.plot); chart.figure.remove(); this.charts.delete(key); }
    }
    for (const key of keys) if (!this.charts.has(key)) this.add(key);
    const needle = this.view.filter.toLowerCase();
    for (const chart of this.charts.values()) {
      chart.figure.classList.toggle("hidden", needle !== "" && !chart.key.toLowerCase().includes(needle));
      chart.stale = true;
      if (rescale) chart.range = null;
      chart.rescale = chart.rescale || rescale;
      if (chart.visible) this.draw(chart);
    }
  }

  add(key) {
    const plot = make("div", { class: "plot" });
    const last = make("span", { class: "last" }), odd = make("p", { class: "odd", role: "note" });
    const figure = make("figure", { class: "chart", "data-key": key },
      make("figcaption", {}, make("span", { class: "key", text: key }), last), odd, plot);
    const chart = { key, figure, plot, last, odd, visible: false, stale: true, drawn: false, range: null, rescale: false };
    this.charts.set(key, chart);
    // keys stay sorted, so that those of one prefix stand together
    const after = [...this.charts.keys()].filter((other) => order(other, key) > 0).sort(order)[0];
    this.grid.insertBefore(figure, after === undefined ? null : this.charts.get(after).figure);
    this.seen.observe(figure);
  }

  draw(chart) {
    chart.stale = false;
    const traces = [], lasts = [], several = this.sources().length > 1;
    let odd = 0, total = 0;
    for (const { label, slot, rows } of this.sources()) {
      const { x, y } = rows.points(chart.key, this.view.axis);
      if (!y.length) continue;
      odd += y.filter((value) => !Number.isFinite(value)).length;
      total += y.length;
      lasts.push(y[y.length - 1]);
      const line = thinned(x, smoothed(y, this.view.smoothing), chart.range);
      traces.push({
        type: "scatter", mode: line.x.length > 60 ? "lines" : "lines+markers", name: literal(label),
        x: line.x, y: line.y.map((value) => (Number.isFinite(value) ? value : null)),
        line: { color: colour(slot), width: 2, dash: DASHES[Math.floor(slot / LIGHT.length) % DASHES.length] },
        marker: { size: 5, color: colour(slot) }, hovertemplate: several ? "%{y:.6g}" : "%{y:.6g}<extra></extra>",
      });
    }
    chart.last.textContent = several ? "" : `last ${number(lasts[0] ?? NaN)}`;
    chart.odd.textContent = odd ? `${odd} of ${total} values are not finite and not drawn` : "";
    chart.plot.setAttribute("role", "img");
    chart.plot.setAttribute("aria-label", `${chart.key} against ${AXES[this.view.axis]}, ${total} values, last ${lasts.map(number).join(", ")}`);
    Plotly.react(chart.plot, traces, this.layout(chart), { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"] });
    chart.rescale = false;
    if (!chart.drawn) {
      chart.drawn = true;
      chart.plot.on("plotly_relayout", (change) => this.zoomed(chart, change));
    }
  }

  layout(chart) {
    const axis = { gridcolor: style("--grid"), linecolor: style("--line"), zerolinecolor: style("--line"), tickfont: { size: 11 }, automargin: true };
    const x = { ...axis, type: this.view.axis === "wall" ? "date" : "linear", title: { text: AXES[this.view.axis], font: { size: 11 }, standoff: 4 } };
    if (chart.range) { x.range = chart.range; x.autorange = false; } else x.autorange = true;
    return {
      margin: { l: 44, r: 8, t: 6, b: 36 }, height: 235, showlegend: false, hovermode: "x unified",
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: style("--quiet"), family: "inherit" },
      hoverlabel: { namelength: -1, bgcolor: style("--surface"), bordercolor: style("--line"), font: { color: style("--ink"), size: 12 } },
      // a reader who zoomed in keeps the view while rows arrive
      uirevision: chart.rescale ? `${Math.random()}` : `${this.view.axis} ${this.view.log}`,
      xaxis: x, yaxis: { ...axis, type: this.view.log ? "log" : "linear" },
    };
  }

  zoomed(chart, change) {
    if (change["xaxis.autorange"]) chart.range = null;
    else if (change["xaxis.range[0]"] !== undefined) {
      const ends = [change["xaxis.range[0]"], change["xaxis.range[1]"]];
      chart.range = this.view.axis === "wall" ? ends.map((t) => (typeof t === "number" ? t : Date.parse(`${t.replace(" ", "T")}Z`))) : ends.map(Number);
    } else return;
    this.draw(chart);
  }
}
