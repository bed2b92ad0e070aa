// The review's script: keys, and a queue of decisions that shows as saved only what the server has on disk.
"use strict";

const body = document.body;
const screen_ = body.dataset.screen;
const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const say = (text) => { $("#said").textContent = text; };
const newId = () => [...crypto.getRandomValues(new Uint8Array(12))].map((one) => one.toString(16).padStart(2, "0")).join("");

// ------------------------------------------------------------------ saving

// Decisions leave one after the other, in order. Each waits in this browser's storage until the server has it, over reloads and
// restarts; sent twice it counts once, as it carries its own number.
const Saving = {
  store: `scangrade-waiting-${location.host}`,
  waiting: [],
  failed: false,
  sending: false,
  pause: 0,
  hooks: new Map(),

  begin() {
    try { this.waiting = JSON.parse(localStorage.getItem(this.store) || "[]"); } catch { this.waiting = []; }
    this.show();
    this.next();
    addEventListener("beforeunload", (event) => { if (this.waiting.length) { event.preventDefault(); event.returnValue = ""; } });
  },

  // One decision or a group of them; the promise settles when the server has it, or refuses it.
  decide(acts, more = {}) { return this.add("/api/decide", { acts, ...more }, acts.reduce((sum, one) => sum + (one.on ? one.on.length : 1), 0)); },

  add(path, content, count = 1) {
    const group = newId();
    const job = { path, content: { group, ...content }, count };
    this.waiting.push(job);
    this.keep();
    const done = new Promise((saved, refused) => this.hooks.set(group, { saved, refused }));
    this.show();
    this.next();
    return done;
  },

  keep() { try { localStorage.setItem(this.store, JSON.stringify(this.waiting)); } catch { /* the page still warns before it is left */ } },

  async next() {
    if (this.sending || !this.waiting.length) return;
    this.sending = true;
    const job = this.waiting[0];
    const hook = this.hooks.get(job.content.group);
    let answer = null;
    try {
      const response = await fetch(job.path, {
        method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(job.content),
        signal: AbortSignal.timeout(10000), credentials: "same-origin",
      });
      const text = await response.text();
      let held = {};
      try { held = JSON.parse(text); } catch { held = { error: text }; }
      if (response.ok) answer = { saved: held };
      else if ([400, 404, 409, 413, 415, 422].includes(response.status)) answer = { refused: held.error || "Refused." };
      else this.trouble(response.status === 403 ? "no session: open the new link from the terminal in this browser" : (held.error || "the server has a fault"));
    } catch {
      this.trouble("the server does not answer");
    }
    this.sending = false;
    if (!answer) {
      this.pause = Math.min(15, this.pause ? this.pause * 2 : 1);
      setTimeout(() => this.next(), this.pause * 1000);
      return;
    }
    this.failed = false;
    this.pause = 0;
    this.waiting.shift();
    this.keep();
    this.hooks.delete(job.content.group);
    if (answer.saved) hook?.saved(answer.saved);
    else { refuse(answer.refused); hook?.refused(new Error(answer.refused)); }
    this.show();
    this.next();
  },

  trouble(why) { this.failed = true; this.why = why; this.show(); },

  show() {
    const count = this.waiting.reduce((sum, one) => sum + one.count, 0);
    const status = $("#status");
    status.dataset.state = this.failed ? "bad" : count ? "busy" : "good";
    $("#status-text").textContent = count ? `${count} not saved${this.failed ? `: ${this.why}` : ""}` : "All saved";
    for (const cell of $$("[data-state=sending], [data-state=failed]")) cell.dataset.state = this.failed ? "failed" : "sending";
  },
};

function refuse(text) { const banner = $("#refusal"); banner.textContent = text; banner.hidden = false; say(text); }
function news(text) { const banner = $("#news"); banner.textContent = text; banner.hidden = !text; if (text) say(text); }
function clear() { $("#refusal").hidden = true; $("#news").hidden = true; }

// Leaving the screen waits for everything to be saved. Until the next one is there no key is taken: it was meant for that one.
function go(url) {
  if (!url) return;
  body.dataset.leaving = "1";
  if (Saving.waiting.length) setTimeout(() => go(url), 30); else location.assign(url);
}

// A decision after which the screen has done its work; true where it was saved.
async function last(acts, more, url) {
  if (body.dataset.leaving) return false;
  clear();
  body.dataset.leaving = "1";
  try { await Saving.decide(acts, more); go(url); return true; } catch { delete body.dataset.leaving; return false; }
}

async function back(path) {
  clear();
  if (Saving.waiting.length) { refuse("Wait until everything is saved."); return; }
  try {
    const answer = await Saving.add(path, {});
    sessionStorage.setItem("scangrade-news", answer.said);
    if (!Screens[screen_]?.undone?.(answer, path)) go(location.href);
    else { news(answer.said); sessionStorage.removeItem("scangrade-news"); }
  } catch { /* refused, and said so */ }
}

// What others decide shows up; what is left is what the server says.
async function watch() {
  if (document.visibilityState === "visible" && !["name", "login"].includes(screen_)) {
    try {
      const response = await fetch(`/api/state?since=${body.dataset.seq || 0}`, { signal: AbortSignal.timeout(5000) });
      if (response.ok) {
        const state = await response.json();
        $("#left").textContent = state.left;
        if (!Saving.waiting.length) {
          if (Saving.failed) { Saving.failed = false; Saving.show(); }
          body.dataset.seq = state.seq;
          Screens[screen_]?.changed?.(state.boxes);
        }
      }
    } catch { /* the next decision says so */ }
  }
  setTimeout(watch, 3000);
}

// ------------------------------------------------------------------ grid

const WORDS = { marked: "M", empty: "E", undone: "U" };

const Grid = {
  cells: [], at: 0, before: null, from: null,

  begin() {
    this.cells = $$(".cell");
    if (!this.cells.length) return;
    for (const [index, cell] of this.cells.entries()) {
      cell.addEventListener("click", () => this.focus(index));
      cell.addEventListener("dblclick", () => this.single());
      $("img", cell).addEventListener("error", () => cell.classList.add("blank"));
    }
    this.pictures();
    const kept = sessionStorage.getItem(`scangrade-at-${location.pathname}`);
    const index = this.cells.findIndex((cell) => cell.dataset.name === kept);
    const open = this.cells.findIndex((cell) => cell.dataset.state !== "saved");
    this.focus(index >= 0 ? index : Math.max(0, open), false);
  },

  // Pictures are asked for once the keys work and the page has loaded (which they would hold up), four at a time, those in sight before
  // those within a screen of it: as many at once as a grid has would keep the page busy for half a second, and with six a browser has no
  // connection left for decisions until one is cut. Boxes that are seen as patches meanwhile wait for those of which nothing is seen.
  pictures() {
    const sight = { cut: [], uncut: [] }, near = { cut: [], uncut: [] };
    let asked = 0, cutting = 0;
    const taken = () => sight.cut.shift() ?? near.cut.shift() ?? (cutting < 3 ? sight.uncut.shift() ?? near.uncut.shift() : undefined);
    const next = () => {
      for (let cell; asked < 4 && (cell = taken());) {
        const image = $("img", cell), cut = "patch" in cell.dataset ? 1 : 0;
        if (image.src) continue;
        const ended = () => { asked -= 1; cutting -= cut; next(); };
        image.addEventListener("load", ended, { once: true });
        image.addEventListener("error", ended, { once: true });
        asked += 1;
        cutting += cut;
        image.src = image.dataset.src;
      }
    };
    const observe = (lane, margin) => {
      const observer = new IntersectionObserver((entries) => {
        for (const { target, isIntersecting } of entries) {
          if (!isIntersecting) continue;
          observer.unobserve(target);
          ("patch" in target.dataset ? lane.uncut : lane.cut).push(target);
        }
        next();
      }, { rootMargin: margin });
      for (const cell of this.cells) observer.observe(cell);
    };
    const begin = () => requestAnimationFrame(() => {
      this.patch($("#grid").dataset.sheet);
      observe(sight, "0px");
      observe(near, "100% 0px");
    });
    if (document.readyState === "complete") begin();
    else window.addEventListener("load", begin, { once: true });
  },

  // Boxes whose pictures are not cut yet are seen at once as they were kept when they were read; each picture takes its patch's place.
  patch(address) {
    if (!address) return;
    const sheet = new Image();
    sheet.addEventListener("load", () => {
      const side = sheet.naturalWidth / 20;
      for (const cell of $$(".cell[data-patch]")) {
        const image = $("img", cell), place = Number(cell.dataset.patch);
        if (image.complete && image.naturalWidth) continue;
        const canvas = document.createElement("canvas");
        canvas.width = canvas.height = side;
        canvas.getContext("2d").drawImage(sheet, (place % 20) * side, Math.floor(place / 20) * side, side, side, 0, 0, side, side);
        image.before(canvas);
        image.addEventListener("load", () => canvas.remove(), { once: true });
      }
    });
    sheet.src = address;
  },

  focus(index, scroll = true) {
    index = Math.max(0, Math.min(this.cells.length - 1, index));
    this.cells[this.at]?.setAttribute("tabindex", "-1");
    this.at = index;
    const cell = this.cells[index];
    cell.setAttribute("tabindex", "0");
    cell.focus({ preventScroll: !scroll });
    if (scroll) cell.scrollIntoView({ block: "nearest" });
    sessionStorage.setItem(`scangrade-at-${location.pathname}`, cell.dataset.name);
  },

  // Up and down by where the cells are, so that it holds at any width and in groups.
  vertical(step) {
    const here = this.cells[this.at].getBoundingClientRect();
    let best = null;
    for (const [index, cell] of this.cells.entries()) {
      const there = cell.getBoundingClientRect();
      const down = (there.top - here.top) * step;
      if (down < here.height / 2) continue;
      const cost = down * 4 + Math.abs(there.left - here.left);
      if (!best || cost < best.cost) best = { cost, index };
    }
    if (best) this.focus(best.index);
  },

  undecided(cell) { return !cell.dataset.state && !cell.classList.contains("later"); },

  strip() { return $$(".cell", this.cells[this.at].closest(".strip")); },

  preview() {
    for (const cell of this.cells) delete cell.dataset.preview;
    const strip = this.strip();
    let empty = 0, marked = 0;
    for (const [index, cell] of strip.entries()) {
      if (!this.undecided(cell)) continue;
      if (this.from !== null && index >= this.from) { cell.dataset.preview = "marked"; marked += 1; }
      else if (this.before !== null && index < this.before) { cell.dataset.preview = "empty"; empty += 1; }
    }
    const text = [empty ? `${empty} empty` : "", marked ? `${marked} marked` : ""].filter(Boolean).join(", ");
    $("#bar-text").innerHTML = "";
    const strong = document.createElement("b");
    strong.textContent = text || `${this.cells.filter((cell) => this.undecided(cell)).length} of ${this.cells.length} to decide`;
    $("#bar-text").append(strong);
    for (const name of ["commit", "drop"]) $(`[data-do=${name}]`).disabled = !text;
    if (text) say(`${text}. Enter decides, Escape drops.`);
  },

  range(side) {
    const place = this.strip().indexOf(this.cells[this.at]);
    if (side === "before") this.before = place; else this.from = place;
    if (this.before !== null && this.from !== null && this.before > this.from) { if (side === "before") this.from = this.before; else this.before = this.from; }
    this.preview();
  },

  drop() { this.before = this.from = null; this.preview(); },

  commit() {
    const acts = [];
    for (const value of ["empty", "marked"]) {
      const cells = this.cells.filter((cell) => cell.dataset.preview === value);
      if (cells.length) acts.push({ topic: "mark", value, on: cells.map((cell) => cell.dataset.name) });
    }
    if (!acts.length) return;
    this.before = this.from = null;
    this.send(acts);
    this.preview();
  },

  send(acts) {
    clear();
    const cells = new Map();
    for (const act of acts) for (const name of act.on) {
      const cell = this.cells.find((one) => one.dataset.name === name);
      delete cell.dataset.preview;
      cell.dataset.state = "sending";
      cell.dataset.value = act.value;
      $(".badge", cell).textContent = "…";
      cells.set(cell, act.value);
    }
    Saving.decide(acts).then(
      () => { for (const [cell, value] of cells) this.saved(cell, value); this.preview(); },
      () => { for (const cell of cells.keys()) this.open(cell); this.preview(); },
    );
  },

  saved(cell, value, by = "") {
    cell.dataset.state = "saved";
    cell.dataset.value = value;
    cell.setAttribute("aria-selected", "true");
    $(".badge", cell).textContent = WORDS[value];
    cell.title = by ? `${value}, by ${by}` : value;
  },

  open(cell) {
    delete cell.dataset.state; delete cell.dataset.value; delete cell.dataset.preview;
    cell.setAttribute("aria-selected", "false");
    cell.removeAttribute("title");
    $(".badge", cell).textContent = `${Number($(".ink span:last-child", cell).textContent) >= 0.5 ? "M" : "E"}?`;
  },

  one(value) {
    const cell = this.cells[this.at];
    if (cell.dataset.state === "sending" || cell.dataset.state === "failed") return;
    this.send([{ topic: "mark", value, on: [cell.dataset.name] }]);
    this.focus(this.at + 1);
  },

  single() { go(this.cells[this.at].dataset.single); },

  undone(answer, path) {
    if (!answer.boxes.length) return false;
    for (const name of answer.boxes) {
      const cell = this.cells.find((one) => one.dataset.name === name);
      if (!cell) return false;
      if (path === "/api/undo") this.open(cell); else this.saved(cell, answer.value);
    }
    // a group may hold several values: what stands is asked for
    if (path === "/api/redo") fetchState(answer.seq - 1).then((state) => state && this.changed(state.boxes));
    this.preview();
    return true;
  },

  changed(boxes) {
    for (const [name, held] of Object.entries(boxes)) {
      const cell = this.cells.find((one) => one.dataset.name === name);
      if (!cell || cell.dataset.state === "sending") continue;
      if (held.disputed) { this.saved(cell, held.value || "empty", "several, who disagree"); $(".badge", cell).textContent = "≠"; }
      else if (held.value) this.saved(cell, held.value, held.by);
      else this.open(cell);
    }
    this.preview();
  },

  key(event) {
    if (!this.cells.length) return false;
    switch (event.key) {
      case "ArrowRight": case "l": this.focus(this.at + 1); break;
      case "ArrowLeft": case "h": this.focus(this.at - 1); break;
      case "ArrowDown": case "j": this.vertical(1); break;
      case "ArrowUp": case "k": this.vertical(-1); break;
      case "Home": this.focus(0); break;
      case "End": this.focus(this.cells.length - 1); break;
      case "b": case "B": this.range("before"); break;
      case "n": case "N": this.range("from"); break;
      case "Enter": this.commit(); break;
      case "Escape": this.drop(); break;
      case "f": this.one("marked"); break;
      case "d": this.one("empty"); break;
      case "x": this.one("undone"); break;
      case "s": this.cells[this.at].classList.toggle("later"); this.focus(this.at + 1); this.preview(); break;
      case "g": go($("#regroup").getAttribute("href")); break;
      case " ": this.single(); break;
      case "p": go(this.cells[this.at].dataset.paper); break;
      default: return false;
    }
    return true;
  },
};

async function fetchState(since) {
  try { const response = await fetch(`/api/state?since=${since}`); return response.ok ? await response.json() : null; } catch { return null; }
}

// ------------------------------------------------------------------ one question

const Field = {
  rows: [], at: 0, zoom: 1,

  begin() {
    this.rows = $$("table.boxes tbody tr");
    for (const [index, row] of this.rows.entries()) row.addEventListener("click", () => this.focus(index));
    for (const button of $$(".acts button")) button.addEventListener("click", (event) => { event.stopPropagation(); this.focus(this.rows.indexOf(button.closest("tr"))); this.one(button.dataset.verdict); });
    for (const box of $$("svg .box.own")) box.addEventListener("click", () => this.focus(this.rows.findIndex((row) => row.dataset.name === box.dataset.name)));
    $("#sheet image").addEventListener("error", () => { $("#no-picture").hidden = false; });
    // only now, so that a picture that fails at once does not fail unheard
    for (const image of $$("image[data-href]")) image.setAttribute("href", image.dataset.href);
    const form = $("#points-form");
    if (form) form.addEventListener("submit", (event) => { event.preventDefault(); this.points(form); });
    const open = this.rows.findIndex((row) => "open" in row.dataset);
    this.focus(Math.max(0, open));
  },

  focus(index) {
    if (index < 0 || index >= this.rows.length) return;
    this.at = index;
    for (const row of this.rows) row.classList.toggle("current", row === this.rows[index]);
    const row = this.rows[index];
    row.focus({ preventScroll: true });
    for (const box of $$("svg .box")) box.classList.toggle("current", box.dataset.name === row.dataset.name);
    const side = Number(row.dataset.side) + 7;
    $("#loupe").setAttribute("viewBox", `${row.dataset.x - side / 2} ${row.dataset.y - side / 2} ${side} ${side}`);
    $("#loupe-text").textContent = `Box ${row.dataset.value}`;
    if (this.zoom > 1) this.show();
  },

  show() {
    const svg = $("#sheet svg"), row = this.rows[this.at];
    const region = $("image", svg);
    const [x, y, width, height] = ["x", "y", "width", "height"].map((name) => Number(region.getAttribute(name)));
    const w = width / this.zoom, h = height / this.zoom;
    const left = Math.min(Math.max(x, row.dataset.x - w / 2), x + width - w), top = Math.min(Math.max(y, row.dataset.y - h / 2), y + height - h);
    svg.setAttribute("viewBox", `${left} ${top} ${w} ${h}`);
  },

  settle() { return body.dataset.settle ? { settle: true } : {}; },

  sending(rows) { for (const row of rows) row.dataset.state = "sending"; },

  async one(value) {
    const row = this.rows[this.at];
    const acts = [{ topic: "mark", value, on: [row.dataset.name] }];
    const open = this.rows.map((other, index) => index).filter((index) => this.rows[index] !== row && "open" in this.rows[index].dataset && !this.rows[index].dataset.state);
    clear();
    this.sending([row]);
    if (!open.length) { if (!await last(acts, this.settle(), body.dataset.next)) delete row.dataset.state; return; }
    this.focus(open.find((index) => index > this.at) ?? open[0]);
    try { await Saving.decide(acts, this.settle()); this.saved(row, value); } catch { delete row.dataset.state; this.focus(this.rows.indexOf(row)); }
  },

  saved(row, value) {
    row.dataset.state = "saved";
    delete row.dataset.open;
    const verdict = $(".verdict", row);
    verdict.className = `verdict ${value}`;
    verdict.innerHTML = "";
    const letter = document.createElement("b");
    letter.textContent = WORDS[value];
    verdict.append(letter, ` ${value}`);
  },

  async all(values) {
    clear();
    const acts = [];
    for (const value of ["marked", "empty", "undone"]) {
      const on = this.rows.filter((row, index) => values[index] === value).map((row) => row.dataset.name);
      if (on.length) acts.push({ topic: "mark", value, on });
    }
    this.sending(this.rows);
    if (!await last(acts, this.settle(), body.dataset.next)) for (const row of this.rows) delete row.dataset.state;
  },

  accept() { this.all(this.rows.map((row) => row.dataset.guess)); },
  none() { this.all(this.rows.map((row) => row.dataset.guess === "empty" || row.dataset.verdict === "empty" ? "empty" : "undone")); },
  only(index) { if (index < this.rows.length) this.all(this.rows.map((row, place) => place === index ? "marked" : row.dataset.guess === "empty" ? "empty" : "undone")); },

  async points(form) {
    clear();
    const act = { topic: "points", booklet: form.dataset.booklet, item: form.dataset.question, value: form.elements.value.value.trim() };
    if (!await last([act], { remark: form.elements.remark.value.trim(), ...this.settle() }, body.dataset.next)) form.elements.value.select();
  },

  key(event) {
    switch (event.key) {
      case "ArrowRight": case "l": this.focus(this.at + 1); break;
      case "ArrowLeft": case "h": this.focus(this.at - 1); break;
      case "ArrowDown": case "j": case "s": go(body.dataset.next); break;
      case "ArrowUp": case "k": go(body.dataset.previous); break;
      case "f": this.one("marked"); break;
      case "d": this.one("empty"); break;
      case "x": this.one("undone"); break;
      case "Enter": this.accept(); break;
      case "0": this.none(); break;
      case " ": this.zoom = this.zoom === 4 ? 1 : this.zoom * 2; this.show(); break;
      case "p": go(body.dataset.paper); break;
      case "g": { const form = $("#points-form"); if (form) { form.hidden = false; form.elements.value.focus(); } break; }
      case "Escape": go(body.dataset.back); break;
      default:
        if (/^[1-9]$/.test(event.key)) { this.only(Number(event.key) - 1); break; }
        return false;
    }
    return true;
  },
};

// ------------------------------------------------------------------ student

const Student = {
  at: -1, asked: 0,

  begin() {
    const search = $("#search");
    if (search) {
      search.addEventListener("input", () => this.find(search.value));
      search.addEventListener("keydown", (event) => {
        if (event.key === "ArrowDown") this.focus(this.at + 1);
        else if (event.key === "ArrowUp") this.focus(this.at - 1);
        else if (event.key === "Enter") this.take();
        else if (event.key === "Escape") search.blur();
        else return;
        event.preventDefault();
        event.stopPropagation();
      });
      $("#found").addEventListener("click", (event) => { const one = event.target.closest("li"); if (one) this.choose(one); });
      $("button[data-number]").addEventListener("click", (event) => this.decide(event.currentTarget.dataset.number));
      if (!$("[data-choice]")) search.focus();
    }
    for (const one of $$("[data-choice]")) one.addEventListener("click", () => this.settle(one));
    $("[data-choice]")?.focus({ preventScroll: true });
    $("#number-form")?.addEventListener("submit", (event) => { event.preventDefault(); this.decide(event.target.elements.number.value.trim()); });
  },

  options() { return $$("#found li"); },

  focus(index) {
    const options = this.options();
    this.at = options.length ? Math.max(0, Math.min(options.length - 1, index)) : -1;
    for (const [place, one] of options.entries()) one.setAttribute("aria-selected", place === this.at ? "true" : "false");
    const current = options[this.at];
    $("#search").setAttribute("aria-activedescendant", current ? current.id : "");
    current?.scrollIntoView({ block: "nearest" });
  },

  async find(text) {
    const asked = ++this.asked;
    if (!text.trim()) { this.show([]); return; }
    try {
      const response = await fetch(`/api/roster?q=${encodeURIComponent(text)}&b=${encodeURIComponent(body.dataset.booklet)}`);
      if (response.ok && asked === this.asked) this.show((await response.json()).candidates);
    } catch { /* the status says that the server does not answer once something is decided */ }
  },

  show(candidates) {
    const list = $("#found");
    list.replaceChildren(...candidates.map((one, index) => {
      const item = document.createElement("li");
      item.id = `student-${index + 1}`;
      item.setAttribute("role", "option");
      item.dataset.number = one.number;
      item.dataset.taken = one.taken;
      for (const [name, text] of [["id", one.number], ["", one.name], ["quiet", one.reason + (one.taken ? `; has booklet ${one.taken}` : "")]]) {
        const span = document.createElement("span");
        span.className = name;
        span.textContent = text;
        item.append(span, " ");
      }
      return item;
    }));
    $("#found-none").hidden = candidates.length > 0;
    $("#found-none").textContent = "Nobody on the class list is like this.";
    this.at = -1;
    if (candidates.length) this.focus(0);
  },

  take() {
    if (this.at < 0) { say("Choose a student with the arrow keys first."); this.focus(0); return; }
    this.choose(this.options()[this.at]);
  },

  // Somebody who has a booklet already: nothing is decided before both were looked at side by side.
  choose(one) {
    if (!one.dataset.taken) { this.decide(one.dataset.number); return; }
    const here = new URL(location.href);
    here.searchParams.set("with", one.dataset.number);
    go(here.href);
  },

  async settle(button) {
    const { acts, remark, then } = button.dataset;
    await last(JSON.parse(acts), { remark, ...(body.dataset.settle ? { settle: true } : {}) }, then || body.dataset.next);
  },

  async decide(number) {
    await last([{ topic: "student", booklet: body.dataset.booklet, value: number }], body.dataset.settle ? { settle: true } : {}, body.dataset.next);
  },

  key(event) {
    const choice = $$("[data-choice]").find((one) => one.dataset.choice === event.key.toLowerCase());
    if (choice) { choice.click(); return true; }
    switch (event.key) {
      case "j": case "s": case "ArrowDown": go(body.dataset.next); break;
      case "k": case "ArrowUp": go(body.dataset.previous); break;
      case "0": $("button[data-number]")?.click(); break;
      case "p": go($("[data-paper-link]")?.href); break;
      case "/": $("#search")?.focus(); break;
      case "Escape": go(body.dataset.back); break;
      default: return false;
    }
    return true;
  },
};

// ------------------------------------------------------------------ pages: zoom, pan, boxes, corners

const View = {
  width: 0, height: 0, x: 0, y: 0, w: 0, h: 0,

  begin() {
    this.svg = $("svg#page");
    if (!this.svg) return;
    this.width = Number(body.dataset.width); this.height = Number(body.dataset.height);
    this.whole();
    this.svg.addEventListener("wheel", (event) => { event.preventDefault(); this.zoom(event.deltaY < 0 ? 1.25 : 0.8, this.point(event)); }, { passive: false });
    const fingers = new Map();
    let spread = 0;
    this.svg.addEventListener("pointerdown", (event) => { fingers.set(event.pointerId, event); this.moved = false; });
    addEventListener("pointerup", (event) => { fingers.delete(event.pointerId); spread = 0; });
    addEventListener("pointercancel", (event) => { fingers.delete(event.pointerId); spread = 0; });
    this.svg.addEventListener("pointermove", (event) => {
      const last = fingers.get(event.pointerId);
      if (!last) return;
      const scale = this.w / this.svg.getBoundingClientRect().width;
      if (fingers.size === 1) {
        if (Math.hypot(event.clientX - last.clientX, event.clientY - last.clientY) < 3 && !this.moved) return;
        this.moved = true;
        this.move(-(event.clientX - last.clientX) * scale, -(event.clientY - last.clientY) * scale);
      }
      fingers.set(event.pointerId, event);
      if (fingers.size === 2) {
        const [one, two] = [...fingers.values()];
        const apart = Math.hypot(one.clientX - two.clientX, one.clientY - two.clientY);
        if (spread) this.zoom(apart / spread, this.point(event));
        spread = apart;
        this.moved = true;
      }
    });
  },

  point(event) {
    const matrix = this.svg.getScreenCTM().inverse();
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix);
    return [point.x, point.y];
  },

  show() { this.svg.setAttribute("viewBox", `${this.x} ${this.y} ${this.w} ${this.h}`); },
  whole() { this.x = this.y = 0; this.w = this.width; this.h = this.height; this.show(); },
  move(x, y) { this.x += x; this.y += y; this.inside(); this.show(); },
  inside() {
    this.x = Math.min(Math.max(this.x, -this.w / 4), this.width - this.w * 0.75);
    this.y = Math.min(Math.max(this.y, -this.h / 4), this.height - this.h * 0.75);
  },
  zoom(factor, around) {
    const [px, py] = around || [this.x + this.w / 2, this.y + this.h / 2];
    const w = Math.min(this.width, Math.max(this.width / 24, this.w / factor)), real = this.w / w;
    this.x = px - (px - this.x) / real; this.y = py - (py - this.y) / real;
    this.w = w; this.h = this.h / real;
    if (w === this.width) this.whole(); else { this.inside(); this.show(); }
  },
  reveal(x, y) {
    if (x < this.x || x > this.x + this.w || y < this.y || y > this.y + this.h) { this.x = x - this.w / 2; this.y = y - this.h / 2; this.show(); }
  },
  key(event) {
    if (!this.svg) return false;
    switch (event.key) {
      case "+": case "=": this.zoom(1.5, this.anchor); break;
      case "-": this.zoom(1 / 1.5, this.anchor); break;
      default: return false;
    }
    return true;
  },
};

const Paper = {
  boxes: [], at: -1,

  begin() {
    View.begin();
    this.boxes = $$("svg#page .box");
    this.boxes.forEach((box, index) => box.addEventListener("click", () => { if (!View.moved) this.focus(index); }));
    for (const button of $$(".bar [data-verdict]")) button.addEventListener("click", () => this.one(button.dataset.verdict));
    $("#paper").focus({ preventScroll: true });
    const wanted = this.boxes.findIndex((box) => box.dataset.name === body.dataset.focus);
    if (wanted >= 0) { this.focus(wanted); const [x, y] = this.middle(this.boxes[wanted]); View.zoom(3, [x, y]); View.x = x - View.w / 2; View.y = y - View.h / 2; View.show(); View.anchor = [x, y]; }
  },

  middle(box) {
    const points = box.getAttribute("points").split(" ").map((one) => one.split(",").map(Number));
    return [points.reduce((sum, one) => sum + one[0], 0) / 4, points.reduce((sum, one) => sum + one[1], 0) / 4];
  },

  focus(index) {
    this.at = index;
    for (const box of this.boxes) box.classList.toggle("current", box === this.boxes[index]);
    const box = this.boxes[index];
    $("#box-text").textContent = box.getAttribute("aria-label");
    for (const button of $$(".bar [data-verdict]")) button.disabled = false;
    View.anchor = this.middle(box);
    View.reveal(...View.anchor);
  },

  towards(dx, dy) {
    if (!this.boxes.length) return;
    if (this.at < 0) { this.focus(0); return; }
    const [x, y] = this.middle(this.boxes[this.at]);
    let best = null;
    this.boxes.forEach((box, index) => {
      const [bx, by] = this.middle(box);
      const along = (bx - x) * dx + (by - y) * dy, across = Math.abs((bx - x) * dy) + Math.abs((by - y) * dx);
      if (along <= 4 || index === this.at) return;
      const cost = along + 2.5 * across;
      if (!best || cost < best.cost) best = { cost, index };
    });
    if (best) this.focus(best.index);
  },

  async one(value) {
    const box = this.boxes[this.at];
    if (!box) return;
    clear();
    box.dataset.state = "sending";
    try {
      await Saving.decide([{ topic: "mark", value, on: [box.dataset.name] }]);
      box.setAttribute("class", `box ${value} current`);
      box.setAttribute("aria-label", `${box.getAttribute("aria-label").split(":")[0]}: ${value} by ${body.dataset.reviewer}`);
      $("#box-text").textContent = box.getAttribute("aria-label");
    } catch { /* said */ }
    delete box.dataset.state;
  },

  key(event) {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1], h: [-1, 0], l: [1, 0], k: [0, -1], j: [0, 1] }[event.key];
    if (step && event.shiftKey) View.move(step[0] * View.w / 6, step[1] * View.h / 6);
    else if (step) this.towards(...step);
    else if (event.key === "f") this.one("marked");
    else if (event.key === "d") this.one("empty");
    else if (event.key === "x") this.one("undone");
    else if (event.key === "0") View.whole();
    else if (event.key === "Escape") { if (history.length > 1) history.back(); else go(body.dataset.back); }
    else return View.key(event);
    return true;
  },
};

const NAMES = ["top left", "top right", "bottom right", "bottom left"];

const Aside = {
  corners: [], pointing: false, cross: [0, 0],

  begin() {
    View.begin();
    const marks = $("#marks").dataset;
    this.targets = JSON.parse(marks.targets); this.sheet = JSON.parse(marks.sheet); this.byMarks = JSON.parse(marks.byMarks);
    this.form = $("#place-form");
    this.form.addEventListener("submit", (event) => { event.preventDefault(); this.place(); });
    $("[data-do=corners]").addEventListener("click", () => this.point());
    for (const button of $$("[data-fate]")) button.addEventListener("click", () => this.fate(button.dataset.fate));
    View.svg?.addEventListener("click", (event) => { if (this.pointing && !View.moved) { this.cross = View.point(event); this.set(); } });
    $("#paper").focus({ preventScroll: true });
  },

  point() {
    if (!View.svg) return;
    this.pointing = true;
    this.corners = [];
    this.guess();
    $("#paper").focus({ preventScroll: true });
    $("#magnifier").hidden = false;
    this.draw();
  },

  // The cross begins where the corner would be on a page that lies straight.
  guess() {
    const number = this.form.elements.number.value, target = this.targets[number][this.corners.length], [wide, high] = this.sheet[number];
    this.cross = [target[0] / wide * View.width, target[1] / high * View.height];
  },

  draw() {
    const group = $("#corners");
    if (!group) return;
    const side = View.w / 60, shapes = [];
    const shape = (points, name) => { const path = document.createElementNS("http://www.w3.org/2000/svg", "path"); path.setAttribute("d", points); path.setAttribute("class", name); shapes.push(path); };
    const plus = ([x, y], r) => `M${x - r} ${y}H${x + r}M${x} ${y - r}V${y + r}`;
    if (this.corners.length > 1) shape(`M${this.corners.map((one) => one.join(" ")).join("L")}${this.corners.length === 4 ? "Z" : ""}`, "outline");
    for (const one of this.corners) shape(plus(one, side), "corner");
    if (this.pointing && this.corners.length < 4) shape(plus(this.cross, side * 1.6), "cross");
    group.replaceChildren(...shapes);
    const text = $("#corner-text");
    const what = this.byMarks[this.form.elements.number.value] ? "registration mark" : "corner of the paper";
    if (!this.pointing) text.textContent = "Without corners, the machine tries to lay this page of the form over it.";
    else if (this.corners.length < 4) text.textContent = `Corner ${this.corners.length + 1} of 4: put the cross on the middle of the ${NAMES[this.corners.length]} ${what}, as the page is printed, and press Enter.`;
    else text.textContent = "All four corners are set. Check booklet and page, and press Enter.";
    say(text.textContent);
    const r = View.width / 40, [x, y] = this.cross;
    $("#magnifier svg").setAttribute("viewBox", `${x - r} ${y - r} ${2 * r} ${2 * r}`);
    $("#hair").setAttribute("d", plus(this.cross, r));
    View.anchor = this.pointing ? this.cross : undefined;
    if (this.pointing) View.reveal(...this.cross);
  },

  set() {
    if (this.corners.length >= 4) return;
    this.corners.push([...this.cross]);
    if (this.corners.length < 4) this.guess();
    this.draw();
    if (this.corners.length === 4) { const field = this.form.elements.booklet; if (!field.value) field.focus(); }
  },

  settle() { return body.dataset.settle ? { settle: true } : {}; },

  async place() {
    clear();
    const corners = this.corners.length === 4 ? this.corners : undefined;
    const act = { topic: "page", page: body.dataset.page, value: "placed", booklet: this.form.elements.booklet.value.trim(), number: Number(this.form.elements.number.value), corners };
    if (!act.booklet) { this.form.elements.booklet.focus(); refuse("Say which booklet the page belongs to."); return; }
    if (body.dataset.leaving) return;
    const read = last([act], this.settle(), body.dataset.next);
    news("Reading the page…");
    if (!await read) $("#news").hidden = true;
  },

  async fate(value) {
    await last([{ topic: "page", page: body.dataset.page, value }], this.settle(), body.dataset.next);
  },

  key(event) {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (step && this.pointing && this.corners.length < 4) {
      const far = event.altKey ? 1 : event.shiftKey ? View.width / 25 : View.width / 250;
      this.cross = [this.cross[0] + step[0] * far, this.cross[1] + step[1] * far];
      this.draw();
    } else if (step) View.move(step[0] * View.w / 8, step[1] * View.h / 8);
    else if (event.key === "Enter") { if (this.pointing && this.corners.length < 4) this.set(); else this.place(); }
    else if (event.key === "Backspace" && this.pointing) { if (this.corners.length) { this.cross = this.corners.pop(); this.draw(); } }
    else if (event.key === "Escape") { if (this.pointing) { this.pointing = false; this.corners = []; $("#magnifier").hidden = true; this.draw(); } else go(body.dataset.back); }
    else if (event.key === "a") this.form.elements.booklet.focus();
    else if (event.key === "c") this.point();
    else if (event.key === "b") this.fate("blank");
    else if (event.key === "n") this.fate("foreign");
    else if (event.key === "r") this.fate("rescan");
    else if (event.key === "j" || event.key === "s") go(body.dataset.next);
    else if (event.key === "k") go(body.dataset.previous);
    else return View.key(event);
    return true;
  },
};

// ------------------------------------------------------------------ the other screens

const Queue = {
  begin() { $("[data-first]")?.focus({ preventScroll: true }); for (const select of $$(".filters select")) select.addEventListener("change", () => select.form.requestSubmit()); },
  key(event) {
    if (/^[1-6]$/.test(event.key)) { const link = $(`[data-group="${event.key}"]`); if (link) go(link.href); return true; }
    if (event.key === "a" && $("[data-answers]")) { go("/answers"); return true; }
    return rows(event);
  },
};

function rows(event) {
  const links = $$("[data-group], [data-row]"), at = links.indexOf(document.activeElement);
  const step = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[event.key];
  if (!step || !links.length) return false;
  links[Math.max(0, Math.min(links.length - 1, at + step))].focus();
  return true;
}

const Flag = {
  begin() {
    $("[data-do=seen]")?.addEventListener("click", () => this.seen());
    for (const button of $$("[data-counts]")) button.addEventListener("click", () => this.counts(button.dataset.counts));
  },
  seen() { return last([{ topic: "flag", item: body.dataset.item, value: "seen" }], {}, body.dataset.next); },
  counts(page) { return last([{ topic: "page", page, owner: body.dataset.booklet, value: "counts" }], {}, body.dataset.next); },
  key(event) {
    const choice = /^[1-9]$/.test(event.key) ? $$("[data-counts]")[Number(event.key) - 1] : null;
    if (choice) choice.click();
    else if (event.key === "Enter") { if ($("[data-do=seen]")) this.seen(); else return false; }
    else if (["j", "s", "ArrowRight"].includes(event.key)) go(body.dataset.next);
    else if (["k", "ArrowLeft"].includes(event.key)) go(body.dataset.previous);
    else if (event.key === "Escape") go(body.dataset.back);
    else return false;
    return true;
  },
};

const Booklet = {
  begin() {
    for (const form of $$("form.give")) form.addEventListener("submit", (event) => { event.preventDefault(); this.give(form); });
    for (const button of $$("[data-version]")) button.addEventListener("click", () => last([{ topic: "version", booklet: body.dataset.booklet, value: button.dataset.version }], {}, location.href));
    for (const one of $$("[data-criterion]")) one.addEventListener("click", () => { this.toggle(one); one.form.elements.value.focus(); });
    for (const field of $$("form.give [name=value]")) {
      field.addEventListener("keydown", (event) => this.typed(event, field));
      field.addEventListener("input", () => this.byNumber(field.form));
    }
    if (["points", "answers"].includes(screen_)) { $("form.give input")?.focus({ preventScroll: true }); $("form.give input")?.select(); }
  },
  typed(event, field) {
    this.last = field;
    const forms = $$("form.give"), at = forms.indexOf(field.form), step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key.toLowerCase() === "f" && field.form.dataset.high) { this.byNumber(field.form); field.value = field.form.dataset.high; }
    else if (step) this.to(forms[at + step]);
    else if (/^[a-z]$/i.test(event.key) && $("[data-criterion]", field.form)) {
      const one = $(`[data-letter="${event.key.toLowerCase()}"]`, field.form);
      if (one) this.toggle(one);
    }
    else return;
    event.preventDefault();
  },
  // The decision says which criteria are met; what they are worth follows from the rubric, also when it changes.
  toggle(one) {
    one.setAttribute("aria-pressed", one.getAttribute("aria-pressed") === "true" ? "false" : "true");
    const met = $$("[data-criterion][aria-pressed=true]", one.form).map((each) => each.dataset.criterion);
    const worth = $$("[data-criterion][aria-pressed=true]", one.form).reduce((sum, each) => sum + Number(each.dataset.worth), 0);
    one.form.dataset.criteria = ["criteria", ...met].join(" ");
    one.form.elements.value.value = Number.isFinite(worth) ? Math.min(worth, Number(one.form.dataset.high)) : `${met.length} met`;
    say(`${one.innerText}: ${one.getAttribute("aria-pressed") === "true" ? "met" : "not met"}`);
  },
  // A number that is typed says it all by itself.
  byNumber(form) {
    delete form.dataset.criteria;
    for (const one of $$("[data-criterion]", form)) one.setAttribute("aria-pressed", "false");
  },
  to(form) {
    if (!form) return;
    form.elements.value.focus({ preventScroll: true });
    form.elements.value.select();
    (form.closest(".answer") || form).scrollIntoView({ block: form.closest(".answer") ? "start" : "nearest" });
  },
  // The next field has the focus at once: what is typed on is meant for it, however long the saving takes.
  async give(form) {
    if (form.dataset.state === "sending") return;
    clear();
    const act = { topic: "points", booklet: form.dataset.booklet, item: form.dataset.question, value: form.dataset.criteria || form.elements.value.value.trim() };
    const more = { remark: form.elements.remark.value.trim(), ...(form.dataset.settle ? { settle: true } : {}) };
    const forms = $$("form.give"), next = forms.slice(forms.indexOf(form) + 1).find((one) => !one.dataset.state);
    const after = { answers: body.dataset.again, points: body.dataset.next }[screen_] || location.href;
    const fields = [form.elements.value, form.elements.remark];
    form.dataset.state = "sending";
    for (const field of fields) field.readOnly = true;
    this.to(next);
    let saved = false;
    if (next) try { await Saving.decide([act], more); saved = true; } catch { /* said */ }
    else saved = await last([act], more, after);
    for (const field of fields) field.readOnly = false;
    if (saved) form.dataset.state = "saved"; else { delete form.dataset.state; this.to(form); }
  },
  key(event) {
    if (["j", "s"].includes(event.key)) go(body.dataset.next);
    else if (event.key === "k") go(body.dataset.previous);
    else if (event.key === "p" && $("[data-paper]")) go((this.last?.closest(".answer")?.querySelector("[data-paper]") || $("[data-paper]")).href);
    else if (event.key === "Escape") go(body.dataset.back);
    else return false;
    return true;
  },
};

const Sample = {
  asked: 0, shown: 0,

  begin() {
    Grid.begin();
    $("#draw-form").addEventListener("submit", async (event) => {
      event.preventDefault();
      news("Drawing…");
      try { await Saving.add("/api/sample", { size: Number(event.target.elements.size.value) }); go("/sample"); } catch { $("#news").hidden = true; }
    });
    $("[data-do=right]")?.addEventListener("click", () => this.check());
    for (const button of $$("#bar [data-verdict]")) button.addEventListener("click", () => this.check(button.dataset.verdict));
  },
  async check(value) {
    const cell = Grid.cells[Grid.at];
    if (!cell) return;
    const found = value || cell.dataset.machine;
    const acts = [{ topic: "check", value: found, on: [cell.dataset.name] }];
    if (found !== cell.dataset.machine) acts.push({ topic: "mark", value: found, on: [cell.dataset.name] });
    cell.dataset.state = "sending";
    Grid.focus(Grid.at + 1);
    try {
      await Saving.decide(acts);
      cell.classList.toggle("right", found === cell.dataset.machine);
      cell.classList.toggle("wrong", found !== cell.dataset.machine);
      Grid.saved(cell, found);
      const turn = this.asked += 1;
      const done = await (await fetch("/sample")).text();
      const line = new DOMParser().parseFromString(done, "text/html").querySelector("#bound");
      if (!line || turn < this.shown) return; // answers may overtake each other
      this.shown = turn;
      $("#bound").replaceChildren(...line.childNodes);
    } catch { delete cell.dataset.state; }
  },
  key(event) {
    if (!Grid.cells.length) return false;
    if (event.key === "Enter" && event.target.closest("form, button, a")) return false;
    if (event.key === "Enter") this.check();
    else if (event.key === "f") this.check("marked");
    else if (event.key === "d") this.check("empty");
    else if (event.key === "x") this.check("undone");
    else if (["ArrowRight", "ArrowLeft", "ArrowUp", "ArrowDown", "h", "j", "k", "l", "Home", "End", "p"].includes(event.key)) return Grid.key(event);
    else return false;
    return true;
  },
};

const Person = {
  begin() {
    const form = $("#name-form, #login-form");
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      clear();
      const login = form.id === "login-form";
      const response = await fetch(login ? "/login" : "/api/name", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(Object.fromEntries(new FormData(form))) }).catch(() => null);
      if (response?.ok) location.assign("/");
      else refuse(response ? (await response.json().catch(() => ({}))).error || "Refused." : "The server does not answer.");
    });
  },
};

const Screens = { queue: Queue, grid: Grid, field: Field, student: Student, aside: Aside, flag: Flag, paper: Paper, booklet: Booklet, points: Booklet, answers: Booklet, booklets: { key: rows }, sample: Sample, name: Person, login: Person };

// ------------------------------------------------------------------ keys for all screens

addEventListener("pageshow", () => { delete body.dataset.leaving; });  // back from where it was left for

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || $("#help").open) return;
  if (body.dataset.leaving) { event.preventDefault(); return; }
  const typing = event.target.closest("input, select, textarea");
  if (typing) {
    if (event.key === "Escape") { typing.blur(); $("#paper")?.focus({ preventScroll: true }); event.preventDefault(); }
    return;
  }
  const onControl = event.target.closest("a, button, summary");
  if (onControl && (event.key === "Enter" || event.key === " ")) return;
  if (event.altKey && screen_ !== "aside") return;
  if (Screens[screen_]?.key?.(event)) { event.preventDefault(); return; }
  switch (event.key) {
    case "u": back("/api/undo"); break;
    case "U": back("/api/redo"); break;
    case "q": go("/"); break;
    case "/": if ($("input[type=search]")) $("input[type=search]").focus(); else go("/booklets"); break;
    case "?": $("#help").showModal(); break;
    default: return;
  }
  event.preventDefault();
});

document.addEventListener("DOMContentLoaded", () => {
  $("#help-button")?.addEventListener("click", () => $("#help").showModal());
  for (const [name, does] of [["before", () => Grid.range("before")], ["from", () => Grid.range("from")], ["drop", () => Grid.drop()], ["commit", () => Grid.commit()], ["accept", () => Field.accept()], ["none", () => Field.none()], ["points", () => Field.key({ key: "g" })]]) {
    $(`.bar [data-do=${name}]`)?.addEventListener("click", (event) => { does(); if (screen_ === "grid") Grid.focus(Grid.at); else event.currentTarget.blur(); });
  }
  if (screen_ !== "login") Saving.begin();
  const told = sessionStorage.getItem("scangrade-news");
  if (told) { news(told); sessionStorage.removeItem("scangrade-news"); }
  Screens[screen_]?.begin?.();
  body.dataset.ready = "1";
  setTimeout(watch, 1500);
});
