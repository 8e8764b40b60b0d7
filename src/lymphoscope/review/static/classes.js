// The labels that the cells of a case may have. `usual` are those that its model gives, and some that any case needs:
// blasts where the model has no class of them, smudge cells, what is no cell, and what nobody can tell.

import { api } from "./api.js";

const ALWAYS = { blast: "b", smudge: "s", artefact: "x", unidentified: "u" };
const TITLES = { artefact: "not a cell" };

// `known` are the classes of the model, as the page has them, in JSON. `letter` is the key of a class that is not of the model.
export async function loadClasses(caseId, known) {
  const listed = await api("GET", `/api/classes?case=${caseId}`);
  const own = new Set(JSON.parse(known));
  const hasBlasts = listed.some((one) => own.has(one.name) && one.is_blast);
  const titled = listed.map((one) => {
    const added = !own.has(one.name) && one.name in ALWAYS && !(one.name === "blast" && hasBlasts);
    return { ...one, title: TITLES[one.name] ?? one.title, usual: own.has(one.name) || added, letter: added ? ALWAYS[one.name] : null };
  });
  const rank = (one) => (!one.usual ? 2 : one.letter && one.name !== "blast" ? 1 : 0);
  return new Map(titled.sort((a, b) => rank(a) - rank(b)).map((one) => [one.name, one]));
}
