// A field or slide in OpenSeadragon, with a box for each cell: pick one, answer it, add a missed one.

import { api, element } from "./api.js";
import { loadClasses } from "./classes.js";
import { classKeys, Keys } from "./keys.js";
import { Lease } from "./lease.js";

// OpenSeadragon adds an inline style sheet unless an element of this name exists; the page's policy forbids those.
const stand = document.createElementNS("https://lymphoscope.invalid/none", "style");
stand.setAttribute("data-openseadragon-mobile-css", "true");
document.head.append(stand);

const MOST_BOXES = 400;
const MOST_LISTED = 200;
const page = document.getElementById("field");
const { case: caseId, reading, field } = page.dataset;
let writable = page.dataset.writable === "true";
const microns = Number(page.dataset.microns);
const size = { width: Number(page.dataset.width), height: Number(page.dataset.height) };
const find = (id) => document.getElementById(id);
const path = `/api/readings/${reading}`;

let classes = new Map();
let keys;
let version = null;
let cells = [];
let picked = null;
let drawing = false;
const boxes = new Map();

const viewer = window.OpenSeadragon({
  element: find("viewer"),
  tileSources: { ...size, tileSize: 256, tileOverlap: 0, getTileUrl: (level, x, y) => `/images/cases/${caseId}/fields/${field}/tiles/${level}/${x}-${y}.jpg` },
  showNavigationControl: false,
  drawer: "canvas",
  maxZoomPixelRatio: 6,
  animationTime: matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 0.6,
  gestureSettingsMouse: { clickToZoom: false },
});
const { Rect, Point, MouseTracker } = window.OpenSeadragon;
viewer.canvas.setAttribute("role", "application");
viewer.canvas.setAttribute("aria-label", "The field. Arrow keys move, plus and minus zoom. Its cells are listed beside it.");

async function open() {
  const [found, me] = await Promise.all([loadClasses(caseId, page.dataset.usual), api("GET", "/api/me"), load()]);
  classes = found;
  keys = new Keys(actions([...classes.values()].filter((one) => one.usual)), me.preferences);
  find("hint").hidden = keys.off;
  buttons();
  if (writable) hold();
  list();
  const wanted = cells.find((cell) => cell.id === Number(page.dataset.cell));
  if (wanted) pick(wanted, true);
  else pick(null);
  boxesInView();
}

// The keys of the gallery, as the person has chosen them.
function actions(usual) {
  const keyOf = classKeys(usual);
  return [
    { name: "confirm", title: "Confirm", key: "Enter", run: () => picked && confirm() },
    ...usual.map((one) => ({ name: `label:${one.name}`, title: one.title, key: keyOf[one.name] ?? "", run: () => picked && answer(one.name) })),
    { name: "next", title: "Next cell", key: "j", run: () => step(1) },
    { name: "previous", title: "Previous cell", key: "k", run: () => step(-1) },
  ];
}

function buttons() {
  const shown = writable ? keys.actions.filter((one) => one.name === "confirm" || one.name.startsWith("label:")) : [];
  const made = shown.map((one) => {
    const hint = keys.shown(one) === "Enter" ? "⏎" : keys.shown(one);
    const key = hint ? element("kbd", { "aria-hidden": "true" }, hint) : null;
    return element("button", { type: "button", onclick: one.run, disabled: !picked, "data-action": one.name }, one.title, key);
  });
  find("labels").replaceChildren(...made);
}

function step(by) {
  const at = picked ? cells.indexOf(picked) + by : 0;
  if (cells.length) pick(cells[(at + cells.length) % cells.length], true);
}

// As in the gallery: while somebody else works on the case, it is only shown.
function hold() {
  const lease = new Lease(reading);
  const show = (change, words) => {
    writable = change;
    find("held").textContent = words;
    find("held").hidden = !words;
    find("add").hidden = !change;
    buttons();
  };
  lease.addEventListener("taken", () => show(false, `${lease.words}. You can look; this page opens for changes when it is free.`));
  lease.addEventListener("free", async () => {
    await load();
    show(true, "");
    pick(cells.find((cell) => cell.id === picked?.id) ?? null);
    list();
  });
  lease.start();
}

async function load() {
  cells = [];
  let after = null;
  do {
    const query = new URLSearchParams({ field, limit: 1000, ...(after === null ? {} : { after }) });
    const answer = await api("GET", `${path}/cells?${query}`);
    version = answer.version;
    cells.push(...answer.cells);
    after = answer.next;
  } while (after !== null && after !== undefined);
}

const titleOf = (name) => (name === null || name === undefined ? "no answer" : (classes.get(name)?.title ?? name));
const described = (cell) => `Cell ${cell.id}: ${titleOf(cell.label)}${cell.status === "confirmed" ? ", confirmed" : ", not confirmed"}`;
const rectOf = (cell) => viewer.viewport.imageToViewportRectangle(new Rect(cell.x, cell.y, cell.width, cell.height));

// Only the boxes in view are in the document: a slide can have many thousands.
function boxesInView() {
  if (!viewer.isOpen()) return;
  const view = viewer.viewport.viewportToImageRectangle(viewer.viewport.getBounds());
  const on = find("boxes").getAttribute("aria-pressed") === "true";
  const inView = (cell) => cell.x < view.x + view.width && cell.x + cell.width > view.x && cell.y < view.y + view.height && cell.y + cell.height > view.y;
  const wanted = new Set(on ? cells.filter(inView).slice(0, MOST_BOXES).map((cell) => cell.id) : []);
  if (picked) wanted.add(picked.id);
  for (const [id, box] of boxes) {
    if (wanted.has(id)) continue;
    viewer.removeOverlay(box);
    boxes.delete(id);
  }
  for (const cell of cells) if (wanted.has(cell.id) && !boxes.has(cell.id)) addBox(cell);
}

function addBox(cell) {
  const box = element("button", { type: "button", tabIndex: -1 });
  paint(box, cell);
  new MouseTracker({ element: box, clickHandler: () => pick(cell) });
  viewer.addOverlay({ element: box, location: rectOf(cell) });
  boxes.set(cell.id, box);
}

function paint(box, cell) {
  box.className = `cell-box ${cell.status}${cell === picked ? " wanted" : ""}`;
  box.title = described(cell);
  box.dataset.label = `${titleOf(cell.label)}${cell.status === "confirmed" ? "" : " ?"}`;
  box.setAttribute("aria-label", described(cell));
}

function pick(cell, zoom = false) {
  const before = picked;
  picked = cell;
  for (const one of [before, cell]) if (one && boxes.has(one.id)) paint(boxes.get(one.id), one);
  find("picked").textContent = cell ? described(cell) : "Choose a box to see what it is.";
  for (const button of find("labels").children) button.disabled = !cell;
  if (!cell) return;
  find("back").href = `/cases/${caseId}?reading=${reading}&cell=${cell.id}`;
  if (zoom) closeUp(cell);
  boxesInView();
}

function closeUp(cell) {
  const side = 6 * Math.max(cell.width, cell.height);
  const rect = new Rect(cell.x + cell.width / 2 - side / 2, cell.y + cell.height / 2 - side / 2, side, side);
  viewer.viewport.fitBounds(viewer.viewport.imageToViewportRectangle(rect));
}

function confirm() {
  if (picked.status === "suggested" && picked.label !== null) return answer(null);
  return say("There is no suggestion to confirm here: choose a class.", true);
}

// Give the picked cell a label; null confirms the one that it has.
async function answer(label) {
  if (!writable) return say(find("held").textContent || "This reading cannot be changed.", true);
  const cell = picked;
  const body = { cells: [cell.id], ...(label === null ? {} : { label }) };
  try {
    const change = await api("POST", `${path}/${label === null ? "confirm" : "labels"}`, body, version);
    version = change.version;
    Object.assign(cell, change.cells.find((one) => one.id === cell.id), { version: undefined });
  } catch (error) {
    return say(error.message, true);
  }
  pick(cell);
  list();
  return say(`Saved: ${described(cell)}.`);
}

function list() {
  const shown = cells.slice(0, MOST_LISTED).map((cell) =>
    element("li", {}, element("button", { type: "button", onclick: () => pick(cell, true) }, described(cell))),
  );
  const more = cells.length - shown.length;
  find("list").replaceChildren(...shown, ...(more > 0 ? [element("li", {}, `and ${more} more: move over the field to see them`)] : []));
}

function scale() {
  const bar = find("scale");
  bar.hidden = !microns;
  if (!microns) return;
  const pixels = viewer.viewport.viewportToImageZoom(viewer.viewport.getZoom(true)) / microns; // screen pixels per micrometre
  const length = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000].findLast((one) => one * pixels <= 180) ?? 1;
  bar.style.width = `${length * pixels}px`;
  bar.textContent = length < 1000 ? `${length} µm` : `${length / 1000} mm`;
}

function say(words, wrong = false) {
  find("alert").textContent = wrong ? words : "";
  find("said").textContent = wrong ? "" : words;
}

// Draw a box for a missed cell: a drag writes its numbers into the form, which can also be filled by hand.
const drawn = element("div", { class: "cell-box drawn" });
let corner = null;

function toggleDrawing(on) {
  drawing = on;
  find("draw").setAttribute("aria-pressed", String(on));
  viewer.setMouseNavEnabled(!on);
  if (on) say("Drag a box around the cell.");
}

function imagePoint(event) {
  const place = find("viewer").getBoundingClientRect();
  const point = viewer.viewport.viewerElementToImageCoordinates(new Point(event.clientX - place.left, event.clientY - place.top));
  return { x: Math.min(size.width, Math.max(0, point.x)), y: Math.min(size.height, Math.max(0, point.y)) };
}

function follow(event) {
  if (!drawing || !corner) return;
  const point = imagePoint(event);
  const box = { x: Math.min(corner.x, point.x), y: Math.min(corner.y, point.y), width: Math.abs(point.x - corner.x), height: Math.abs(point.y - corner.y) };
  for (const [name, value] of Object.entries(box)) find("add").elements[name].value = Math.round(value);
  viewer.removeOverlay(drawn);
  viewer.addOverlay({ element: drawn, location: rectOf(box) });
}

async function add(event) {
  event.preventDefault();
  const { x, y, width, height, label } = event.target.elements;
  const box = { field: Number(field), x: Number(x.value), y: Number(y.value), width: Number(width.value), height: Number(height.value) };
  if (label.value) box.label = label.value;
  try {
    const change = await api("POST", `${path}/cells`, box, version);
    version = change.version;
    await load();
    viewer.removeOverlay(drawn);
    event.target.reset();
    toggleDrawing(false);
    list();
    const id = change.cells[0].id;
    pick(cells.find((cell) => cell.id === id) ?? null, true);
    say(`Added: cell ${id}.`);
  } catch (error) {
    say(error.message, true);
  }
}

// Enter on a button presses the button. The viewer also has keys for moving; those of the answers come first.
window.addEventListener("keydown", (event) => {
  if (!keys || event.target.closest("input, textarea, select, dialog")) return;
  if (event.key === "Enter" && event.target.closest("a, button:not(.cell-box)")) return;
  if (keys.press(event)) event.stopPropagation();
}, true);

viewer.addHandler("open", () => {
  boxesInView();
  scale();
  if (picked) closeUp(picked);
});
viewer.addHandler("animation", scale);
viewer.addHandler("animation-finish", boxesInView);
viewer.addHandler("resize", scale);
viewer.addHandler("tile-load-failed", (event) => say(`A part of the image cannot be read: ${event.message ?? "see the server's log"}`, true));
find("closer").addEventListener("click", () => viewer.viewport.zoomBy(1.5));
find("farther").addEventListener("click", () => viewer.viewport.zoomBy(1 / 1.5));
find("whole").addEventListener("click", () => viewer.viewport.goHome());
find("boxes").addEventListener("click", (event) => {
  event.target.setAttribute("aria-pressed", String(event.target.getAttribute("aria-pressed") !== "true"));
  boxesInView();
});
if (writable) {
  find("draw").addEventListener("click", () => toggleDrawing(!drawing));
  find("add").addEventListener("submit", add);
  find("viewer").addEventListener("pointerdown", (event) => drawing && (corner = imagePoint(event)), true);
  window.addEventListener("pointermove", follow, true);
  window.addEventListener("pointerup", () => (corner = null), true);
}

open().catch((error) => say(error.message, true));
