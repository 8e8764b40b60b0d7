// The cells of one reading: what is shown, what was changed here and is on its way to the server, and undo.
// A change shows at once. Requests leave one after the other, each with all changes that wait by then and with the
// version that the last answer gave; the server stores them one by one and says how far it came.

import { api, ApiError } from "./api.js";

export const CONFIRMED = "confirmed";
export const SUGGESTED = "suggested";
const MOST_CHANGES = 100;
const MOST_CELLS = 5000;

export class Cells extends EventTarget {
  constructor(reading) {
    super();
    this.path = `/api/readings/${reading}`;
    this.queue = [];
    this.sending = false;
    this.length = 0;
  }

  async load(order) {
    const query = new URLSearchParams(Object.entries(order).filter(([, value]) => value !== "" && value !== null));
    const index = await api("GET", `${this.path}/index?${query}`);
    const { labels, statuses, cells } = index;
    this.version = index.version;
    this.ids = cells.id;
    this.length = cells.id.length;
    this.label = cells.label.map((at) => (at < 0 ? null : labels[at]));
    this.status = cells.status.map((at) => statuses[at]);
    this.seen = cells.seen;
    this.referred = cells.referred;
    this.at = new Map(cells.id.map((id, at) => [id, at]));
    this.initial = this.label.slice(); // groups stay as they were loaded, so that nothing jumps while one works
  }

  confirmed(at) {
    return this.status[at] === CONFIRMED;
  }

  needsReview(at) {
    return !this.confirmed(at) || this.label[at] === "unidentified";
  }

  // What a signature waits for: cells without a class, and referred ones that nobody has looked at.
  mustReview(at) {
    return this.label[at] === null || this.label[at] === "unidentified" || (this.referred[at] && !this.seen[at]);
  }

  // The next position after `at` that needs review, going round; -1 where none is left.
  next(at, step = 1, needs = (candidate) => this.needsReview(candidate)) {
    for (let distance = 1; distance <= this.length; distance++) {
      const candidate = (at + step * distance + this.length * 2) % this.length;
      if (needs(candidate)) return candidate;
    }
    return -1;
  }

  moved() {
    let number = 0;
    for (let at = 0; at < this.length; at++) if (this.label[at] !== this.initial[at]) number++;
    return number;
  }

  // Give all of `positions` this label, as a person's answer.
  give(positions, label) {
    const kind = label === "artefact" ? { kind: "not_a_cell" } : { kind: "label", label };
    this.change(positions, kind, (at) => this.set(at, label, CONFIRMED));
  }

  confirm(positions) {
    const suggested = positions.filter((at) => this.status[at] === SUGGESTED && this.label[at] !== null);
    this.change(suggested, { kind: "confirm" }, (at) => this.set(at, this.label[at], CONFIRMED));
    return suggested.length;
  }

  markSeen(positions) {
    this.change(positions, { kind: "seen" }, (at) => (this.seen[at] = true));
  }

  undo() {
    this.queue.push({ body: { kind: "undo" }, before: [] });
    this.send();
  }

  async add(box) {
    const change = await api("POST", `${this.path}/cells`, box, this.version);
    this.version = change.version;
    return change;
  }

  set(at, label, status) {
    this.label[at] = label;
    this.status[at] = status;
    if (status === CONFIRMED) this.seen[at] = true;
  }

  change(positions, kind, apply) {
    for (let start = 0; start < positions.length; start += MOST_CELLS) {
      const part = positions.slice(start, start + MOST_CELLS);
      const before = part.map((at) => [at, this.label[at], this.status[at], this.seen[at]]);
      part.forEach(apply);
      this.queue.push({ body: { ...kind, cells: part.map((at) => this.ids[at]) }, before });
      this.tell(part);
    }
    this.send();
  }

  get unsaved() {
    return this.queue.length > 0 || this.sending;
  }

  async send() {
    if (this.sending) return;
    this.sending = true;
    this.dispatchEvent(new Event("saving"));
    while (this.queue.length) {
      const sent = this.batch();
      try {
        const answer = await api("POST", `${this.path}/changes`, { changes: sent.map((one) => one.body) }, this.version);
        this.accept(answer);
        if (answer.refused) this.refuse(answer.refused, sent.slice(answer.results.length));
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        this.refuse({ message: error.message, ...error.body }, sent);
      }
    }
    this.sending = false;
    this.dispatchEvent(new Event("saving"));
  }

  // The first changes of the queue, as many as one request may carry.
  batch() {
    let cells = 0;
    const over = this.queue.findIndex((one, at) => (cells += one.body.cells?.length ?? 0) > MOST_CELLS || at === MOST_CHANGES);
    return this.queue.splice(0, over < 0 ? this.queue.length : over);
  }

  accept(answer) {
    this.version = answer.version;
    this.take(answer.cells);
    const undone = this.queue.length ? undefined : answer.results.findLast((one) => one.undone !== null);
    const detail = { differential: answer.differential, undone: undone?.cells.map((id) => this.at.get(id)).find((at) => at !== undefined) ?? null };
    this.dispatchEvent(new CustomEvent("saved", { detail }));
  }

  // Take the server's answers; return the positions that differ from what was shown.
  take(answers) {
    const changed = [];
    for (const answer of answers) {
      const at = this.at.get(answer.id);
      if (at === undefined) continue;
      if (this.queue.some((later) => later.before.some(([other]) => other === at))) continue; // a newer answer is waiting
      if (this.label[at] !== answer.label || this.status[at] !== answer.status) changed.push(at);
      this.label[at] = answer.label;
      this.status[at] = answer.status;
      this.seen[at] = answer.seen;
    }
    this.tell(changed);
    return changed;
  }

  // These were not stored: show what was there before, and what the server says. Later changes are dropped with them.
  refuse(problem, requests) {
    for (const dropped of [...requests, ...this.queue].reverse()) {
      for (const [at, label, status, seen] of dropped.before) {
        this.label[at] = label;
        this.status[at] = status;
        this.seen[at] = seen;
      }
      this.tell(dropped.before.map(([at]) => at));
    }
    this.queue = [];
    if (problem.changed) {
      this.version = problem.version;
      this.take(problem.changed);
    }
    this.dispatchEvent(new CustomEvent("refused", { detail: problem }));
  }

  tell(positions) {
    if (positions.length) this.dispatchEvent(new CustomEvent("cells", { detail: positions }));
  }
}
