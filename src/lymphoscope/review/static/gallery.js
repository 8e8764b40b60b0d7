// The gallery of a case: shows the cells of one reading, takes labels by key, menu or for many cells at once.

import { api, element } from "./api.js";
import { Cells } from "./cells.js";
import { loadClasses } from "./classes.js";
import { Detail } from "./detail.js";
import { drawDifferential } from "./differential.js";
import { Grid } from "./grid.js";
import { classKeys, Keys } from "./keys.js";
import { Lease } from "./lease.js";

const page = document.getElementById("case");
const caseId = Number(page.dataset.case);
let writable = page.dataset.writable === "true";
const find = (id) => document.getElementById(id);
const scroller = find("gallery");
const cells = new Cells(page.dataset.reading);
const grid = new Grid(scroller, tile);

let classes = new Map();
let keys;
let detail;
const asked = new URLSearchParams(location.search).get("show");
if ([...find("filter").options].some((one) => one.value === asked)) find("filter").value = asked;
let order = currentOrder();
let focus = 0;
let anchor = 0;
const selected = new Set();

async function open() {
  const [me, found] = await Promise.all([api("GET", "/api/me"), loadClasses(caseId, page.dataset.usual), load()]);
  classes = found;
  keys = new Keys(actions([...classes.values()]), me.preferences);
  detail = new Detail(find("side"), { caseId, reading: page.dataset.reading, cells, classes, permissions: me.permissions, say });
  const side = Number(me.preferences.thumb ?? 96);
  find("zoom").value = side;
  grid.zoom(side);
  labelBar();
  arrange();
  const wanted = Number(new URLSearchParams(location.search).get("cell"));
  focusOn(cells.at.get(wanted) ?? Math.max(0, cells.next(-1)), { quiet: !wanted });
  page.dataset.open = performance.now(); // milliseconds after the page was asked for
  if (writable) hold();
  refreshDifferential(await api("GET", `${cells.path}/differential`));
}

// While somebody else works on this case it is shown but not changed; when it is free, what she changed is loaded.
function hold() {
  const lease = new Lease(page.dataset.reading);
  lease.addEventListener("taken", () => allow(false, `${lease.words}. You can look; this page opens for changes when it is free.`));
  lease.addEventListener("free", async () => {
    allow(true, "");
    await reload();
    say("The case is free again: it is yours now.");
  });
  lease.start();
}

function allow(change, words) {
  writable = change;
  find("undo").disabled = !change;
  find("held").textContent = words;
  find("held").hidden = !words;
  labelBar();
}

function refuse() {
  say(find("held").textContent || "This reading cannot be changed: it is signed, or it is not yours.", true);
}

async function load() {
  await cells.load(currentOrder());
  selected.clear();
  announceCount();
}

function currentOrder() {
  const filter = find("filter").value;
  const order = { sort: find("sort").value };
  if (order.sort === "similarity") order.to = cells.ids?.[focus] ?? "";
  if (["blast_score", "uncertainty", "size"].includes(order.sort)) order.descending = true;
  if (filter === "referred") order.referred = true;
  else if (filter === "unseen") Object.assign(order, { referred: true, seen: false });
  else if (filter === "open") order.undecided = true;
  else if (filter === "blind") order.blind = true;
  else if (filter.startsWith("status:")) order.status = filter.slice(7);
  else if (filter.startsWith("label:")) order.label = filter.slice(6);
  return order;
}

async function reload() {
  const id = cells.ids[focus];
  try {
    await load();
  } catch (error) {
    find("sort").value = order.sort;
    say(error.message, true);
    return;
  }
  order = currentOrder();
  arrange();
  if (cells.length) focusOn(cells.at.get(id) ?? 0);
}

function arrange() {
  const grouped = find("sort").value === "class";
  const groups = [];
  for (let at = 0; at < cells.length; at++) {
    const title = grouped ? titleOf(cells.initial[at]) : null;
    const last = groups.at(-1);
    if (last && last.name === title) last.end = at + 1;
    else groups.push({ name: title, title, start: at, end: at + 1 });
  }
  for (const group of groups) if (group.name !== null) group.title = `${group.name} · ${group.end - group.start}`;
  find("empty").hidden = cells.length > 0;
  grid.layout(groups);
  find("again").hidden = true;
}

const titleOf = (name) => (name === null ? "No suggestion" : (classes.get(name)?.title ?? name));

// The element of a cell. Suggested and confirmed differ by border, mark and weight of the words, not by colour alone.
function tile(at) {
  const made = element("div", { class: "tile", role: "option", id: `tile-${cells.ids[at]}`, "data-at": at });
  const image = element("img", { alt: "", loading: "eager", decoding: "async", draggable: false });
  image.src = `/images/cases/${caseId}/thumbs/${cells.ids[at]}`;
  made.append(image, element("span", { class: "mark", "aria-hidden": "true" }), element("span", { class: "label" }));
  paint(made, at);
  return made;
}

function paint(made, at) {
  const status = cells.status[at];
  const name = cells.label[at];
  made.className = `tile ${status}${cells.referred[at] ? " referred" : ""}${at === focus ? " focus" : ""}`;
  made.tabIndex = at === focus ? 0 : -1;
  made.setAttribute("aria-selected", String(selected.has(at)));
  made.setAttribute("aria-posinset", at + 1);
  made.setAttribute("aria-setsize", cells.length);
  made.setAttribute("aria-label", described(at));
  made.querySelector(".mark").textContent = cells.confirmed(at) ? "✓" : cells.referred[at] ? "!" : "";
  made.querySelector(".label").textContent = name === null ? "?" : `${titleOf(name)}${cells.confirmed(at) ? "" : " ?"}`;
}

function described(at) {
  const words = [`Cell ${cells.ids[at]}`];
  if (cells.confirmed(at)) words.push(`${titleOf(cells.label[at])}, confirmed`);
  else if (cells.label[at] === null) words.push("no suggestion, needs an answer");
  else words.push(`${titleOf(cells.label[at])}, suggested, not confirmed`);
  if (cells.referred[at]) words.push(cells.seen[at] ? "referred, seen" : "referred, not seen yet");
  return words.join(", ");
}

function repaint(positions) {
  for (const at of positions) {
    const shown = find(`tile-${cells.ids[at]}`);
    if (shown) paint(shown, at);
  }
}

function focusOn(at, { quiet = false, extend = false } = {}) {
  const before = focus;
  focus = at;
  if (!extend) anchor = at;
  grid.reveal(at);
  repaint([before, at]);
  const shown = find(`tile-${cells.ids[at]}`);
  if (!quiet) shown.focus({ preventScroll: true });
  detail.show(cells.ids[at]);
}

function select(positions, only = true) {
  const before = only ? [...selected] : [];
  if (only) selected.clear();
  for (const at of positions) selected.add(at);
  repaint([...before, ...positions]);
  announceSelection();
}

function range(from, to) {
  return Array.from({ length: Math.abs(to - from) + 1 }, (_, step) => Math.min(from, to) + step);
}

function toggle(at) {
  if (selected.has(at)) selected.delete(at);
  else selected.add(at);
  repaint([at]);
  announceSelection();
}

function announceSelection() {
  find("selection").textContent = selected.size ? `${selected.size} selected` : "";
}

const targets = () => (selected.size ? [...selected].sort((a, b) => a - b) : [focus]);

// After an answer the focus goes to the next cell that needs one.
function answered(positions) {
  const at = positions.at(-1);
  select([]);
  const next = cells.next(at);
  if (next >= 0) focusOn(next);
  else say("Every cell shown here has an answer. Sign on the page “Sign”.");
}

function give(label) {
  if (!writable) return refuse();
  const positions = targets();
  cells.give(positions, label);
  answered(positions);
  return undefined;
}

function confirm() {
  if (!writable) return refuse();
  const positions = targets();
  const number = cells.confirm(positions);
  if (number) answered(positions);
  else say("There is no suggestion to confirm here: choose a class.", true);
  return undefined;
}

function actions(listed) {
  const keyOf = classKeys(listed.filter((one) => one.usual));
  return [
    { name: "confirm", title: "Confirm the suggestion", key: "Enter", run: confirm },
    ...listed.map((one) => ({ name: `label:${one.name}`, title: one.title, key: keyOf[one.name] ?? "", run: () => give(one.name) })),
    { name: "undo", title: "Undo my last change", key: "z", run: () => writable && cells.undo() },
    { name: "next", title: "Next cell that needs review", key: "j", run: () => jump(1) },
    { name: "previous", title: "Previous cell that needs review", key: "k", run: () => jump(-1) },
    { name: "seen", title: "Mark as seen, without an answer", key: "v", run: () => writable && cells.markSeen(targets()) },
    { name: "field", title: "Show in its field", key: "f", run: () => detail.openField() },
    { name: "similar", title: "Sort by similarity to this cell", key: "y", run: () => sortBy("similarity") },
    { name: "comment", title: "Write a comment", key: "c", run: () => detail.focusComment() },
    { name: "larger", title: "Larger cells", key: "+", run: () => zoom(Number(find("zoom").value) + 24) },
    { name: "smaller", title: "Smaller cells", key: "-", run: () => zoom(Number(find("zoom").value) - 24) },
    { name: "keys", title: "Show and change the keys", key: "?", run: openKeys },
  ];
}

function jump(step) {
  const must = cells.next(focus, step, (at) => cells.mustReview(at));
  const next = must >= 0 ? must : cells.next(focus, step);
  if (next >= 0) focusOn(next);
  else say("Every cell shown here has an answer.");
}

function sortBy(sort) {
  find("sort").value = sort;
  return reload();
}

function zoom(side) {
  const kept = Math.min(192, Math.max(48, side));
  find("zoom").value = kept;
  grid.zoom(kept);
  grid.reveal(focus);
  keys.preferences.thumb = kept;
  clearTimeout(zoom.timer);
  zoom.timer = setTimeout(() => api("PUT", "/api/me/preferences", keys.preferences).catch((error) => say(error.message, true)), 800);
}

function openKeys() {
  keys.dialog(find("keys"), () => {
    labelBar();
    scroller.querySelector(".focus")?.focus();
  });
}

// A button for each class, with its key: the menu for the mouse, touch and assistive technology. Classes that this
// case's model does not know wait behind "More".
function labelBar() {
  const buttons = keys.actions.filter((one) => one.name === "confirm" || one.name.startsWith("label:"));
  const rare = (action) => action.name.startsWith("label:") && !classes.get(action.name.slice(6)).usual && !keys.shown(action);
  const more = element("button", { type: "button", "aria-expanded": "false" }, "More classes");
  const hidden = buttons.filter(rare).map(button);
  more.addEventListener("click", () => {
    const open = more.getAttribute("aria-expanded") !== "true";
    more.setAttribute("aria-expanded", String(open));
    for (const one of hidden) one.hidden = !open;
  });
  for (const one of hidden) one.hidden = true;
  find("labels").replaceChildren(...buttons.filter((one) => !rare(one)).map(button), ...(hidden.length ? [more, ...hidden] : []));
}

function button(action) {
  const hint = keys.shown(action);
  const key = hint ? element("kbd", { "aria-hidden": "true" }, hint === "Enter" ? "⏎" : hint) : null;
  const title = action.name === "confirm" ? "Confirm" : action.title;
  return element("button", { type: "button", disabled: !writable, onclick: action.run, "data-action": action.name }, title, key);
}

let drawing = null;
function refreshDifferential(differential) {
  if (!differential) return;
  clearTimeout(drawing);
  drawing = setTimeout(() => drawDifferential(find("differential"), differential), 60);
}

function say(words, wrong = false) {
  find(wrong ? "alert" : "said").textContent = words;
  if (!wrong) find("alert").textContent = "";
}

function announceCount() {
  find("count").textContent = `${cells.length.toLocaleString("en")} cells`;
}

scroller.addEventListener("keydown", (event) => {
  if (event.target.closest("input, textarea, select, button")) return;
  if ((event.ctrlKey || event.metaKey) && event.key === "a") return selectGroup(event);
  if (event.key === "Escape") return select([]);
  if (event.key === " ") {
    event.preventDefault();
    return toggle(focus);
  }
  const to = event.ctrlKey || event.metaKey || event.altKey ? null : grid.moved(focus, event.key, cells.length);
  if (to === null) return keys.press(event);
  event.preventDefault();
  focusOn(to, { extend: event.shiftKey });
  if (event.shiftKey) select(range(anchor, to));
  return undefined;
});

function selectGroup(event) {
  event.preventDefault();
  const group = grid.groups.find((one) => one.start <= focus && focus < one.end);
  select(range(group.start, group.end - 1));
}

scroller.addEventListener("click", (event) => {
  const made = event.target.closest(".tile");
  if (!made) return;
  const at = Number(made.dataset.at);
  const from = anchor;
  if (event.shiftKey) {
    focusOn(at, { extend: true });
    select(range(from, at));
  } else {
    focusOn(at);
    if (event.ctrlKey || event.metaKey) toggle(at);
    else select([]);
  }
});
scroller.addEventListener("dblclick", (event) => event.target.closest(".tile") && detail.openField());

cells.addEventListener("cells", (event) => {
  repaint(event.detail);
  const moved = cells.moved();
  find("again").hidden = moved === 0 || find("sort").value !== "class";
  find("again").textContent = `Sort again (${moved} moved)`;
});
cells.addEventListener("saved", (event) => {
  if (find("state").className === "state imported") Object.assign(find("state"), { className: "state in_review", textContent: "in review" });
  refreshDifferential(event.detail.differential);
  say("");
  detail.refresh();
  if (event.detail.undone !== null) {
    focusOn(event.detail.undone);
    say("Undone.");
  }
});
cells.addEventListener("refused", (event) => {
  detail.refresh();
  say(`Not saved. ${event.detail.message}`, true);
});
cells.addEventListener("saving", () => {
  find("saving").textContent = cells.unsaved ? "Saving …" : "All saved";
});
window.addEventListener("beforeunload", (event) => cells.unsaved && event.preventDefault());

find("sort").addEventListener("change", reload);
find("filter").addEventListener("change", reload);
find("again").addEventListener("click", reload);
find("zoom").addEventListener("input", (event) => zoom(Number(event.target.value)));
find("undo").addEventListener("click", () => writable && cells.undo());
find("next").addEventListener("click", () => jump(1));
find("open-keys").addEventListener("click", openKeys);

open().catch((error) => say(error.message, true));
