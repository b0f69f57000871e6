// Takes what the server says over a WebSocket, keeps it, and shows the part that is in view.
"use strict";

const MS = 1000;
const FRAME = 80; // ms between drawings
const NARROW = 720; // px, a phone
const GOOD = 0.6; // quality from which the ribbon is green; below it a window that is valid is yellow
const FIGURES = ["trace", "rate", "quality", "af", "motion"];
const SOURCES = ["wave", "beats", "rows", "band", "ribbon", "af", "motion"];
const GLYPHS = ["wave", "beat", "interval", "rate", "unsure", "af", "motion"];
const COLOURS = ["paper", "card", "ink", "faint", "grid", "wave", "beat", "rate", "af", "motion", "good", "fair", "bad"];
const byId = (id) => document.getElementById(id);
const kept = { wave: { t: [], y: [] }, beats: { t: [], y: [] }, motion: { t: [], g: [] }, results: [], af: [] };
let about = { keep: { wave: 600, results: 43200 }, window: 8 };
let begin = 0; // s, the first sample's time
let now = 0; // s after it, the newest sample
let paused = false;
let dirty = true;
let view = null; // Bokeh's
let plot = {}; // figures, sources and glyphs by name
let colours = {};

// ---- what comes in

function take(message) {
  if (message.about) tellAbout(message.about);
  if (message.status) tellStatus(message);
  if (message.begin !== undefined) startAnew(message.begin);
  for (const name of ["wave", "beats", "motion"]) {
    if (!message[name]) continue;
    for (const [key, values] of Object.entries(message[name])) {
      kept[name][key].push(...(key === "t" ? values.map((t) => t - begin) : values));
    }
  }
  if (message.wave) now = Math.max(now, kept.wave.t[kept.wave.t.length - 1]);
  for (const name of ["results", "af"]) {
    for (const row of message[name] ?? []) kept[name].push({ ...row, t: row.t_end - begin });
  }
  forget();
  dirty = true;
}

function startAnew(time) {
  begin = time;
  now = 0;
  for (const name of ["wave", "beats", "motion"]) for (const key in kept[name]) kept[name][key] = [];
  kept.results = [];
  kept.af = [];
}

function forget() {
  // A tenth more than is kept gathers before it is thrown away: cutting each time would be slow.
  const cut = (times, seconds) => (times[0] < now - 1.1 * seconds ? after(times, now - seconds) : 0);
  for (const name of ["wave", "beats", "motion"]) {
    const n = cut(kept[name].t, name === "motion" ? about.keep.results : about.keep.wave);
    if (n) for (const key in kept[name]) kept[name][key].splice(0, n);
  }
  for (const name of ["results", "af"]) {
    while (kept[name].length && kept[name][0].t < now - about.keep.results) kept[name].shift();
  }
}

function after(times, time) {
  // The first place whose time is not before `time`.
  let low = 0, high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] < time) low = middle + 1;
    else high = middle;
  }
  return low;
}

// ---- numbers

function tellAbout(said) {
  about = said;
  byId("source").textContent = `${said.source}, ${said.model}, ${said.sampling_rate} Hz`;
  document.title = `${said.source} · ppgfast monitor`;
  document.body.dataset.task = said.task;
  byId("hr-card").hidden = said.task !== "hr";
  byId("af-card").hidden = !said.af;
  byId("motion-card").hidden = !said.motion;
  byId("delay").textContent = `${Math.round(said.delay * MS)} ms of samples behind the window`;
  if (!view) return;
  plot.rate.visible = said.task === "hr";
  plot.af.visible = said.af;
  plot.af.below[0].visible = said.task === "af"; // the time below it, where the rate's is not
  plot.motion.visible = said.motion;
}

function tellStatus({ status, text }) {
  document.body.dataset.status = status;
  byId("status").textContent = text;
}

const fixed = (value, digits) => (value === null || value === undefined ? "–" : value.toFixed(digits));

function quality(row) {
  return row.valid ? (row.quality >= GOOD ? "good" : "fair") : "bad";
}

function tellNumbers() {
  const row = kept.results[kept.results.length - 1];
  byId("hr").textContent = fixed(row?.hr_bpm, 0);
  byId("interval").textContent = row?.valid ? `${fixed(row.hr_lo, 0)} – ${fixed(row.hr_hi, 0)}` : "";
  byId("reason").textContent = row && !row.valid ? row.reason.replace("_", " ") : "";
  byId("hr-card").classList.toggle("unsure", !row?.valid);
  byId("quality").textContent = fixed(row?.quality, 2);
  byId("quality-meter").value = row?.quality ?? 0;
  byId("quality-meter").style.setProperty("--colour", `var(--${row ? quality(row) : "bad"})`);
  byId("latency").textContent = fixed(row?.latency_ms, 2);
  const af = kept.af[kept.af.length - 1];
  byId("af").textContent = fixed(af?.af_probability, 2);
  byId("af-note").textContent = !af || af.valid ? "probability" : af.reason.replace("_", " ");
  byId("af-card").classList.toggle("unsure", !af?.valid);
  byId("motion").textContent = fixed(kept.motion.g[kept.motion.g.length - 1], 3);
}

// ---- plots

function columns(store, range) {
  // The part of columns of times and values that is in view, and one point to each side.
  const first = Math.max(0, after(store.t, range.start / MS) - 1);
  const last = after(store.t, range.end / MS) + 1;
  const cut = {};
  for (const key in store) cut[key] = Float64Array.from(store[key].slice(first, last), (x) => x ?? NaN);
  cut.t = cut.t.map((t) => t * MS);
  return cut;
}

function rowsIn(rows, range) {
  const hop = rows.length > 1 ? rows[rows.length - 1].t - rows[rows.length - 2].t : about.window;
  return rows.filter((row) => row.t * MS >= range.start - 2 * hop * MS && row.t * MS <= range.end + 2 * hop * MS);
}

function holes(rows) {
  // A row without numbers where there is more than a window between two, so that no line joins them.
  const out = [];
  for (const row of rows) {
    const before = out[out.length - 1];
    if (before && row.t - before.t > about.window + 1) out.push({ t: before.t, valid: false });
    out.push(row);
  }
  return out;
}

function band(rows) {
  // The interval of rows that are valid. An area reaches across what is missing, so there it has no height.
  const out = { t: [], low: [], high: [] };
  const add = (row, low, high) => {
    out.t.push(row.t * MS);
    out.low.push(low);
    out.high.push(high);
  };
  rows.forEach((row, i) => {
    if (!row.valid) return;
    if (!rows[i - 1]?.valid) add(row, row.hr_bpm, row.hr_bpm);
    add(row, row.hr_lo, row.hr_hi);
    if (!rows[i + 1]?.valid) add(row, row.hr_bpm, row.hr_bpm);
  });
  return out;
}

function draw() {
  dirty = false;
  tellNumbers();
  if (!view) return;
  const trace = plot.trace.x_range, trend = plot.rate.x_range;
  if (!paused) {
    follow(trace, now * MS);
    follow(trend, now * MS);
  }
  const wave = columns(kept.wave, trace);
  plot["wave source"].data = wave;
  plot["beats source"].data = columns(kept.beats, trace);
  plot["motion source"].data = columns(kept.motion, trend);
  fit(plot.trace.y_range, wave.y, 0.12, 0);
  fit(plot.motion.y_range, [0, ...plot["motion source"].data.g], 0.1, 0.1);
  const rows = holes(rowsIn(kept.results, trend));
  const valid = (row, value) => (row.valid ? value : NaN);
  plot["rows source"].data = {
    t: rows.map((row) => row.t * MS),
    hr: rows.map((row) => valid(row, row.hr_bpm)),
    unsure: rows.map((row) => (row.valid ? NaN : row.hr_bpm ?? NaN)),
  };
  const interval = band(rows);
  plot["band source"].data = interval;
  fit(plot.rate.y_range, [...interval.low, ...interval.high, ...plot["rows source"].data.unsure], 0.15, 10);
  const real = rows.filter((row) => row.quality !== undefined);
  plot["ribbon source"].data = {
    left: real.map((row, i) => Math.max(real[i - 1]?.t ?? 0, row.t - about.window) * MS),
    right: real.map((row) => row.t * MS),
    top: real.map((row) => Math.max(row.quality, 0.06)),
    colour: real.map((row) => colours[quality(row)]),
  };
  const af = rowsIn(kept.af, trend);
  plot["af source"].data = { t: af.map((row) => row.t * MS), p: af.map((row) => valid(row, row.af_probability)) };
}

function follow(range, newest) {
  const span = range.end - range.start;
  const end = Math.max(newest, span);
  range.setv({ start: end - span, end });
}

function fit(range, values, margin, least) {
  // Limits for what is in view: they widen at once and narrow slowly.
  let low = Infinity, high = -Infinity;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (!(high >= low)) return;
  const room = Math.max((high - low) * margin, least, Math.abs(high) * 1e-6);
  [low, high] = [low === 0 ? 0 : low - room, high + room];
  const ease = (old, wanted, outside) => (outside || paused ? wanted : old + 0.1 * (wanted - old));
  range.setv({
    start: ease(range.start, low, low < range.start || range.start < low - 5 * (high - low)),
    end: ease(range.end, high, high > range.end || range.end > high + 5 * (high - low)),
  });
}

function paint() {
  const style = getComputedStyle(document.documentElement);
  for (const name of COLOURS) colours[name] = style.getPropertyValue(`--${name}`).trim();
  const theme = document.documentElement.dataset.theme;
  byId("theme").textContent = theme === "light" ? "Dark" : "Light";
  if (!view) return;
  for (const name of FIGURES) {
    for (const axis of [...plot[name].below, ...plot[name].left]) {
      axis.setv({ major_label_text_color: colours.faint, axis_label_text_color: colours.faint });
    }
    for (const axis of plot[name].below) axis.ticker.setv({ desired_num_ticks: innerWidth < NARROW ? 3 : 6 });
    for (const grid of plot[name].center) grid.setv({ grid_line_color: colours.grid });
  }
  const glyph = (name, values) => plot[`${name} glyph`].setv(values);
  glyph("wave", { line_color: colours.wave });
  glyph("beat", { fill_color: colours.beat });
  glyph("rate", { line_color: colours.rate });
  glyph("interval", { fill_color: colours.rate });
  glyph("unsure", { fill_color: colours.faint });
  glyph("af", { line_color: colours.af });
  glyph("motion", { fill_color: colours.motion });
  dirty = true;
}

// ---- what people do

function pause(wanted) {
  paused = wanted;
  byId("pause").textContent = paused ? "Live" : "Pause";
  byId("pause").setAttribute("aria-pressed", String(paused));
  dirty = true;
}

function switchTheme(theme) {
  document.documentElement.dataset.theme = theme;
  localStorage.setItem("ppgfast-theme", theme);
  paint();
}

async function savePng() {
  // The plots below a line of the numbers, on the page's own colour.
  const plots = view.roots[0].export("auto", true).canvas;
  const scale = plots.width / byId("plots").clientWidth;
  const head = Math.round(70 * scale);
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [plots.width, plots.height + head];
  const pen = canvas.getContext("2d");
  pen.fillStyle = colours.card;
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(plots, 0, head);
  pen.fillStyle = colours.ink;
  pen.font = `${22 * scale}px system-ui, sans-serif`;
  const cards = [...document.querySelectorAll(".number:not([hidden])")];
  const said = cards.map((card) => `${card.querySelector("h2").textContent.trim()} ${card.querySelector("output").textContent}`);
  pen.fillText(said.join("    "), 16 * scale, 30 * scale, canvas.width - 32 * scale);
  pen.fillStyle = colours.faint;
  pen.font = `${15 * scale}px system-ui, sans-serif`;
  pen.fillText(`${byId("source").textContent}, ${byId("status").textContent}, ${new Date().toLocaleString()}`,
    16 * scale, 56 * scale, canvas.width - 32 * scale);
  const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
  const link = Object.assign(document.createElement("a"), {
    href: URL.createObjectURL(blob),
    download: `ppgfast-${new Date().toISOString().replace(/[:.]/g, "-")}.png`,
  });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), MS);
}

function listen() {
  addEventListener("resize", paint);
  byId("pause").onclick = () => pause(!paused);
  byId("png").onclick = savePng;
  byId("theme").onclick = () => switchTheme(document.documentElement.dataset.theme === "light" ? "dark" : "light");
  document.addEventListener("keydown", (event) => {
    if (event.target.closest("button") || event.ctrlKey || event.metaKey || event.altKey) return;
    const act = { " ": () => pause(!paused), s: savePng, t: byId("theme").onclick }[event.key];
    if (act) {
      event.preventDefault();
      act();
    }
  });
  // Before Bokeh hears of it and keeps it to itself.
  byId("plots").addEventListener("pointermove", (event) => event.buttons && !paused && pause(true), true);
}

// ---- life

function connect() {
  const address = new URL("live", location.href);
  address.protocol = location.protocol.replace("http", "ws");
  const socket = new WebSocket(address);
  socket.onmessage = (event) => JSON.parse(event.data).forEach(take);
  socket.onclose = () => {
    tellStatus({ status: "lost", text: "the monitor has stopped" });
    setTimeout(connect, 2 * MS);
  };
}

async function main() {
  const light = matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark";
  document.documentElement.dataset.theme = localStorage.getItem("ppgfast-theme") ?? light;
  listen();
  view = await Bokeh.embed.embed_item(await (await fetch("plots.json")).json(), "plots");
  const found = (name) => view.roots[0].model.document.get_model_by_name(name);
  for (const name of FIGURES) plot[name] = found(name);
  for (const name of SOURCES) plot[`${name} source`] = found(`${name} source`);
  for (const name of GLYPHS) plot[`${name} glyph`] = found(`${name} glyph`).glyph;
  paint();
  connect();
  const frame = () => {
    if (dirty && !document.hidden) draw();
    // Dragging and zooming show other parts of what is kept.
    if (paused) dirty = true;
  };
  setInterval(frame, FRAME);
}

main();
