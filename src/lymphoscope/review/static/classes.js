// The labels that the cells of a case may have. `usual` are those that its model gives, and two that no model gives.

import { api } from "./api.js";

const ALWAYS = ["artefact", "unidentified"];
const TITLES = { artefact: "not a cell" };

export async function loadClasses(caseId) {
  const [listed, shown] = await Promise.all([api("GET", `/api/classes?case=${caseId}`), api("GET", `/api/cases/${caseId}`)]);
  const usual = new Set([...(shown.model.classes ?? []), ...ALWAYS]);
  const inOrder = [...listed.filter((one) => usual.has(one.name)), ...listed.filter((one) => !usual.has(one.name))];
  const titled = inOrder.map((one) => ({ ...one, title: TITLES[one.name] ?? one.title, usual: usual.has(one.name) }));
  return new Map(titled.map((one) => [one.name, one]));
}
