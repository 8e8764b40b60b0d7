// A grid of cells of which only the visible rows are in the document. Rows have known heights, so that the position of
// each follows from arithmetic; 20,000 cells are some two thousand rows and about a hundred elements.

import { element } from "./api.js";

const HEADER = 44;
const AHEAD = 600; // pixels above and below the window that are kept ready
const GAP = 8;

export class Grid {
  // `make(position)` returns the element of the cell at this position of the order.
  constructor(scroller, make) {
    this.scroller = scroller;
    this.sheet = scroller.querySelector("[data-sheet]");
    this.make = make;
    this.rows = [];
    this.shown = new Map(); // row number -> element
    this.focused = -1;
    this.tile = { width: 108, height: 142 };
    this.waiting = false;
    scroller.addEventListener("scroll", () => this.later(), { passive: true });
    new ResizeObserver(() => this.resized()).observe(scroller);
  }

  // `groups` is [{title, start, end}] over positions; a title of null has no heading.
  layout(groups) {
    this.groups = groups;
    this.columns = Math.max(1, Math.floor((this.scroller.clientWidth - GAP) / (this.tile.width + GAP)));
    this.rows = [];
    let top = GAP;
    for (const group of groups) {
      if (group.title !== null) {
        this.rows.push({ top, height: HEADER, group });
        top += HEADER;
      }
      for (let start = group.start; start < group.end; start += this.columns) {
        this.rows.push({ top, height: this.tile.height + GAP, start, end: Math.min(group.end, start + this.columns) });
        top += this.tile.height + GAP;
      }
    }
    this.sheet.style.height = `${top}px`;
    for (const shown of this.shown.values()) shown.remove();
    this.shown.clear();
    this.draw();
  }

  resized() {
    if (!this.groups) return;
    const columns = Math.max(1, Math.floor((this.scroller.clientWidth - GAP) / (this.tile.width + GAP)));
    if (columns !== this.columns) this.layout(this.groups);
    else this.later();
  }

  zoom(side) {
    this.tile = { width: side + 12, height: side + 46 };
    this.scroller.style.setProperty("--thumb", `${side}px`);
    if (this.groups) this.layout(this.groups);
  }

  later() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.draw();
    });
  }

  draw() {
    const top = this.scroller.scrollTop;
    const first = this.rowAt(top - AHEAD);
    const last = this.rowAt(top + this.scroller.clientHeight + AHEAD);
    const kept = this.focused < 0 ? -1 : this.rowOf(this.focused); // so that focus is not lost by scrolling
    for (const [number, shown] of this.shown) {
      if ((number < first || number > last) && number !== kept) {
        shown.remove();
        this.shown.delete(number);
      }
    }
    for (let number = first; number <= last; number++) this.show(number);
    if (kept >= 0) this.show(kept);
  }

  show(number) {
    const row = this.rows[number];
    if (!row || this.shown.has(number)) return;
    const made = row.group
      ? element("div", { class: "group-heading", "aria-hidden": "true" }, row.group.title)
      : element("div", { class: "tile-row", role: "presentation" });
    for (let at = row.start; at < row.end; at++) made.append(this.make(at));
    made.style.transform = `translateY(${row.top}px)`;
    this.shown.set(number, made);
    const after = [...this.shown.keys()].filter((other) => other > number);
    const next = after.length ? this.shown.get(Math.min(...after)) : null;
    this.sheet.insertBefore(made, next); // document order is reading order
  }

  rowAt(pixels) {
    let low = 0;
    let high = this.rows.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.rows[middle].top <= pixels) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  rowOf(position) {
    let low = 0;
    let high = this.rows.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      const row = this.rows[middle];
      if ((row.start ?? row.group.start) <= position) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  // The position reached from `position` by a key of movement; null for another key.
  moved(position, key, total) {
    const across = { ArrowLeft: -1, ArrowRight: 1 }[key];
    if (across) return Math.min(total - 1, Math.max(0, position + across));
    if (key === "Home") return 0;
    if (key === "End") return total - 1;
    const screens = { PageUp: -1, PageDown: 1 }[key];
    const rows = { ArrowUp: -1, ArrowDown: 1 }[key] ?? (screens ? screens * this.rowsPerScreen() : 0);
    return rows ? this.vertical(position, rows) : null;
  }

  vertical(position, rows) {
    let number = this.rowOf(position);
    const column = position - this.rows[number].start;
    let left = Math.abs(rows);
    while (left > 0) {
      let next = number + Math.sign(rows);
      while (this.rows[next]?.group) next += Math.sign(rows);
      if (!this.rows[next]) break;
      number = next;
      left--;
    }
    const row = this.rows[number];
    return Math.min(row.end - 1, row.start + column);
  }

  rowsPerScreen() {
    return Math.max(1, Math.floor(this.scroller.clientHeight / (this.tile.height + GAP)));
  }

  reveal(position) {
    this.focused = position;
    const row = this.rows[this.rowOf(position)];
    const view = this.scroller;
    if (row.top < view.scrollTop + HEADER) view.scrollTop = row.top - HEADER;
    else if (row.top + row.height > view.scrollTop + view.clientHeight)
      view.scrollTop = row.top + row.height - view.clientHeight + GAP;
    this.draw();
  }
}
