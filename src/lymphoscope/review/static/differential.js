// The differential count with 95 % intervals: the model's before, the confirmed cells after.

import { element } from "./api.js";

const share = (row) => (row === undefined || row.percent === null ? "–" : row.percent.toFixed(1));
const interval = (row) =>
  row === undefined || row.low === null || row.low === undefined ? "" : `${row.low.toFixed(1)}–${row.high.toFixed(1)}`;

export function drawDifferential(place, differential) {
  const { before, after, target } = differential;
  const names = [...new Set([...before.classes, ...after.classes].map((row) => row.name))];
  const rowsOf = (table) => new Map(table.classes.map((row) => [row.name, row]));
  const [old, now] = [rowsOf(before), rowsOf(after)];
  const rows = names
    .map((name) => [old.get(name), now.get(name)])
    .filter(([model, person]) => (model?.count ?? 0) + (person?.count ?? 0) > 0)
    .map(([model, person]) => line(model, person));
  place.querySelector("tbody").replaceChildren(...rows);
  const counted = after.white_cells;
  const goal = target ? ` of ${target} needed` : "";
  place.querySelector("[data-counted]").textContent = `${counted} white cells confirmed${goal}`;
  for (const bar of document.querySelectorAll("[data-done]")) {
    bar.max = target || Math.max(1, before.white_cells);
    bar.value = Math.min(counted, bar.max);
  }
  for (const short of document.querySelectorAll("[data-short]")) short.textContent = target ? `${counted} of ${target}` : `${counted}`;
  place.querySelector("[data-partial]").hidden = !differential.partial;
}

function line(model, person) {
  const title = (person ?? model).title;
  const per = (person ?? model).counted === "per_100_white_cells" ? " (per 100)" : "";
  return element("tr", {}, element("th", { scope: "row" }, title + per), cell(model), cell(person));
}

function cell(row) {
  if (row === undefined || row.count === 0) return element("td", {}, "–");
  return element("td", {}, element("b", {}, share(row)), element("span", { class: "interval" }, interval(row)), element("span", { class: "count" }, `n ${row.count}`));
}
