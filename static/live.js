// A job's page while the job runs: <div data-events="/nl/jobs/ID/events">. The server sends `snapshot` events:
//   {status, phase, step, total_steps, loss, held_out: [[step, loss]…], losses: [[step, loss]…],
//    learning_rates, gradient_norms and speeds alike, learning_rate, tokens_per_second, seconds_left,
//    events: [{at, text}], is_over}
// Without script, or without the stream, the page is right at each reload.

const LANG = document.documentElement.lang || "nl";
const FIELD = 1000; // the drawing's units, both ways
const CALM = matchMedia("(prefers-reduced-motion: reduce)").matches;
const number = (value, digits = 0) => new Intl.NumberFormat(LANG, { maximumFractionDigits: digits, minimumFractionDigits: Math.min(digits, 2) }).format(value);

const worded = {
  loss: (value) => number(value, 2),
  held_out: (value) => number(value, 2),
  step: (value) => number(value),
  total_steps: (value) => number(value),
  tokens_per_second: (value) => number(value),
  learning_rate: (value) => new Intl.NumberFormat(LANG, { maximumSignificantDigits: 3 }).format(value),
};

// How the last value of a line is written; losses with two digits.
const ends = {
  learning_rates: worded.learning_rate,
  speeds: worded.tokens_per_second,
};

function timeLeft(seconds) {
  const words = new Intl.RelativeTimeFormat(LANG);
  if (seconds < 90) return words.format(Math.max(1, Math.round(seconds)), "second");
  if (seconds < 90 * 60) return words.format(Math.round(seconds / 60), "minute");
  if (seconds < 36 * 3600) return words.format(Math.round(seconds / 3600), "hour");
  return words.format(Math.round(seconds / 86_400), "day");
}

/** Four to six round numbers that span `from`..`to`. */
function ticks(from, to) {
  const rough = Math.max((to - from) / 4, Math.abs(to) / 100, 1e-9);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].find((nice) => nice * power >= rough) * power;
  const found = [];
  for (let at = Math.floor(from / step); at * step < to + step - step / 1e6; at += 1) found.push(at * step);
  return { values: found, digits: Math.max(0, -Math.floor(Math.log10(step)) + (String(step / power).includes(".") ? 1 : 0)) };
}

const svg = (name, attributes, text) => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
};

class Chart {
  constructor(figure) {
    this.figure = figure;
    this.view = null; // what is shown: the ends of both axes
    this.keys = [...figure.querySelectorAll("[data-line]")].map((path) => path.dataset.line);
  }
  find(selector) { return this.figure.querySelector(selector); }

  draw(snapshot) {
    const lines = Object.fromEntries(this.keys.map((key) => [key, snapshot[key] ?? []]));
    const values = Object.values(lines).flat().map(([, loss]) => loss).filter(Number.isFinite);
    if (values.length === 0) return;
    // The first steps of training are far above the rest; they may leave the drawing at the top.
    const sorted = [...values].sort((a, b) => a - b);
    const high = Math.max(sorted[Math.floor(sorted.length * 0.98)], ...(lines.held_out ?? []).map(([, loss]) => loss));
    const steps = ticks(sorted[0], high);
    const next = { low: steps.values[0], high: steps.values.at(-1), right: Math.max(1, snapshot.total_steps) };
    this.axes(steps, next);
    this.glide(this.view ?? next, next, lines);
    this.view = next;
  }

  axes(steps, view) {
    const at = (value) => `${(100 * (view.high - value)) / (view.high - view.low)}%`;
    this.find("[data-chart-y]").replaceChildren(...steps.values.map((value) => svg("text", { x: 0, y: at(value), dy: ".32em" }, number(value, steps.digits))));
    this.find("[data-chart-grid]").replaceChildren(...steps.values.map((value) => svg("line", { class: "chart-grid", x1: 0, x2: "100%", y1: at(value), y2: at(value) })));
  }

  /** From one view to the next in 300 ms, so that the eye keeps hold of the line. */
  glide(from, to, lines) {
    cancelAnimationFrame(this.frame);
    const began = performance.now();
    const step = (now) => {
      const share = CALM ? 1 : Math.min(1, Math.max(0, (now - began) / 300));
      const mix = (key) => from[key] + (to[key] - from[key]) * (1 - (1 - share) ** 3);
      this.lines(lines, { low: mix("low"), high: mix("high"), right: mix("right") });
      if (share < 1) this.frame = requestAnimationFrame(step);
    };
    this.frame = requestAnimationFrame(step);
  }

  lines(lines, view) {
    const y = (loss) => (FIELD * (view.high - loss)) / (view.high - view.low);
    const last = [];
    for (const [key, points] of Object.entries(lines)) {
      const path = this.find(`[data-line="${key}"]`);
      if (!path || points.length === 0) continue;
      path.setAttribute("d", points.map(([step, loss], i) => `${i ? "L" : "M"}${((FIELD * step) / view.right).toFixed(1)} ${Math.max(-20, y(loss)).toFixed(1)}`).join(""));
      last.push({ key, x: (100 * points.at(-1)[0]) / view.right, at: y(points.at(-1)[1]) / 10 - 2, loss: points.at(-1)[1] });
    }
    // Names of two lines that end close together stay readable: 18 % of the height apart.
    last.sort((a, b) => a.at - b.at);
    if (last.length === 2 && last[1].at - last[0].at < 18) {
      const middle = Math.min(82, Math.max(13, (last[0].at + last[1].at) / 2));
      [last[0].at, last[1].at] = [middle - 9, middle + 9];
    }
    for (const end of last) {
      const text = this.find(`[data-end="${end.key}"]`);
      text?.setAttribute("y", `${end.at.toFixed(1)}%`);
      for (const word of text?.children ?? []) word.setAttribute("x", `${end.x.toFixed(1)}%`);
      const value = text?.querySelector("[data-end-value]");
      if (value) value.textContent = (ends[end.key] ?? ((loss) => number(loss, 2)))(end.loss);
    }
  }
}

class JobPage {
  constructor(root) {
    this.root = root;
    this.charts = [...root.querySelectorAll("[data-chart]")].map((figure) => new Chart(figure));
    this.seen = new Set([...root.querySelectorAll("[data-events-list] li")].map((item) => JobPage.key(item.querySelector("time")?.dateTime, item.lastElementChild?.textContent)));
  }

  /** A happening by its moment, to the second, and its words: the same may happen again. */
  static key(at, text) { return `${Math.floor(new Date(at) / 1000)}|${text}`; }

  show(snapshot) {
    const figures = { ...snapshot, held_out: snapshot.held_out?.at(-1)?.[1] };
    for (const [key, words] of Object.entries(worded)) {
      if (figures[key] === null || figures[key] === undefined) continue;
      for (const node of this.root.querySelectorAll(`[data-figure="${key}"]`)) node.textContent = words(figures[key]);
    }
    for (const node of this.root.querySelectorAll('[data-figure="seconds_left"]')) {
      if (Number.isFinite(snapshot.seconds_left)) node.textContent = (node.dataset.words ?? "{left}").replace("{left}", timeLeft(snapshot.seconds_left));
    }
    const bar = this.root.querySelector("[data-progress]");
    if (bar && snapshot.total_steps) {
      bar.max = snapshot.total_steps;
      bar.value = snapshot.step ?? 0;
      const text = this.root.querySelector("[data-progress-text]");
      const filled = { step: number(bar.value), total: number(bar.max) };
      if (text?.dataset.progressText) text.textContent = text.dataset.progressText.replace(/\{(\w+)\}/g, (whole, word) => filled[word] ?? whole);
    }
    this.phase(snapshot.phase);
    for (const chart of this.charts) chart.draw(snapshot);
    this.events(snapshot.events ?? []);
  }

  phase(name) {
    const items = [...this.root.querySelectorAll("[data-phase]")];
    const here = items.findIndex((item) => item.dataset.phase === name);
    if (here < 0) return;
    items.forEach((item, i) => {
      item.classList.toggle("is-done", i < here);
      item.classList.toggle("is-here", i === here);
      item.classList.toggle("is-next", i > here);
      if (i === here) item.setAttribute("aria-current", "step"); else item.removeAttribute("aria-current");
    });
  }

  events(events) {
    const list = this.root.querySelector("[data-events-list]");
    for (const { at, text } of events) {
      const key = JobPage.key(at, text);
      if (!list || this.seen.has(key)) continue;
      this.seen.add(key);
      const item = document.createElement("li");
      item.className = "is-new";
      const time = document.createElement("time");
      const moment = new Date(at);
      time.textContent = Number.isNaN(moment.valueOf()) ? at : new Intl.DateTimeFormat(LANG, { hour: "2-digit", minute: "2-digit" }).format(moment);
      if (!Number.isNaN(moment.valueOf())) time.dateTime = moment.toISOString();
      const words = document.createElement("span");
      words.textContent = text;
      item.append(time, words);
      list.append(item);
    }
  }
}

for (const root of document.querySelectorAll("[data-events]")) {
  const page = new JobPage(root);
  const stream = new EventSource(root.dataset.events); // connects again by itself
  stream.addEventListener("snapshot", (event) => {
    const snapshot = JSON.parse(event.data);
    page.show(snapshot);
    // In another state the page offers and says other things.
    if (snapshot.status === root.dataset.status) return;
    stream.close();
    location.reload();
  });
  addEventListener("pagehide", () => stream.close());
}
