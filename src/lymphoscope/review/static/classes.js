// The labels that the cells of a case may have. `usual` are those that its model gives, and two that no model gives.

import { api } from "./api.js";

const ALWAYS = ["artefact", "unidentified"];
const TITLES = { artefact: "not a cell" };

// `known` are the classes of the model, as the page has them, in JSON.
export async function loadClasses(caseId, known) {
  const listed = await api("GET", `/api/classes?case=${caseId}`);
  const usual = new Set([...JSON.parse(known), ...ALWAYS]);
  const inOrder = [...listed.filter((one) => usual.has(one.name)), ...listed.filter((one) => !usual.has(one.name))];
  const titled = inOrder.map((one) => ({ ...one, title: TITLES[one.name] ?? one.title, usual: usual.has(one.name) }));
  return new Map(titled.map((one) => [one.name, one]));
}
