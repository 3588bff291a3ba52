// The rows of one run in the browser: fetched once, then only what is new.

import { ask, path } from "./dom.js";

const X = { step: "_step", elapsed: "_runtime", wall: "_timestamp" };
const WORDS = { NaN: NaN, Infinity: Infinity, "-Infinity": -Infinity };

export class Rows {
  constructor(entity, project, run, stream = "history") {
    this.address = `/-/data/rows${path(entity, project, run)}?stream=${stream}`;
    this.clear();
  }

  clear() {
    this.next = 0;
    this.epoch = null;
    this.count = 0;
    this.x = { step: [], elapsed: [], wall: [] };
    this.series = new Map();
  }

  // Fetches the rows behind the last known one; returns the keys that grew.
  async grow() {
    const grown = new Set();
    for (;;) {
      const reply = await ask(`${this.address}&start=${this.next}`);
      if (this.epoch !== null && reply.epoch !== this.epoch) {
        this.clear(); // rows were rewritten: what is here may be wrong
        continue;
      }
      this.epoch = reply.epoch;
      this.take(reply, grown);
      if (!reply.more) return grown;
    }
  }

  take(reply, grown) {
    const size = reply.numbers.length, base = this.count;
    for (const [axis, key] of Object.entries(X)) {
      const column = reply.columns[key];
      for (let i = 0; i < size; i++) {
        const value = column ? column[i] : null;
        this.x[axis].push(value ?? (axis === "step" ? reply.numbers[i] : null));
      }
    }
    for (const [key, column] of Object.entries(reply.columns)) {
      if (Object.values(X).includes(key) || key.startsWith("_wandb")) continue;
      if (!this.series.has(key)) this.series.set(key, { at: [], y: [] });
      const series = this.series.get(key);
      column.forEach((value, i) => {
        if (value === null) return;
        series.at.push(base + i);
        series.y.push(typeof value === "string" ? WORDS[value] : value);
        grown.add(key);
      });
    }
    this.count += size;
    this.next = reply.next;
  }

  // The points of one key: x on the wanted axis, y as logged, in the order of x.
  points(key, axis) {
    const series = this.series.get(key);
    if (!series) return { x: [], y: [] };
    const x = series.at.map((i) => this.x[axis][i]);
    if (axis === "wall") return { x: x.map((t) => (t === null ? null : t * 1000)), y: series.y };
    return { x, y: series.y };
  }
}

// A debiased exponential mean; values that are not finite stay as they are and leave the mean alone.
export function smoothed(y, weight) {
  if (!weight) return y;
  let mean = 0, seen = 0;
  return y.map((value) => {
    if (!Number.isFinite(value)) return value;
    mean = weight * mean + (1 - weight) * value;
    seen += 1;
    return mean / (1 - weight ** seen);
  });
}

// At most about `limit` points of the visible part: of every stretch its lowest and highest, so no spike is lost.
export function thinned(x, y, range, limit = 1600) {
  let low = 0, high = x.length;
  if (range) {
    while (low < x.length && x[low] < range[0]) low++;
    while (high > low && x[high - 1] > range[1]) high--;
    low = Math.max(0, low - 1);
    high = Math.min(x.length, high + 1);
  }
  if (high - low <= limit) return { x: x.slice(low, high), y: y.slice(low, high) };
  const out = { x: [], y: [] }, stretch = (high - low) / (limit / 2);
  for (let start = low; start < high; start += stretch) {
    const end = Math.min(high, Math.ceil(start + stretch));
    let least = -1, most = -1;
    for (let i = Math.floor(start); i < end; i++) {
      if (!Number.isFinite(y[i])) continue;
      if (least < 0 || y[i] < y[least]) least = i;
      if (most < 0 || y[i] > y[most]) most = i;
    }
    for (const i of least === most ? [least] : [Math.min(least, most), Math.max(least, most)]) {
      if (i >= 0) { out.x.push(x[i]); out.y.push(y[i]); }
    }
  }
  return out;
}
