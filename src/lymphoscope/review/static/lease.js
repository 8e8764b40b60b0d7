// The lease of a reading: who works on a case holds it, so that nobody else changes it meanwhile. It is taken when the
// page opens, renewed while the person works, and given back when she leaves; the server lets it expire by itself.

import { api, leave } from "./api.js";

const RENEW = 30_000; // milliseconds; a lease lasts two minutes
const IDLE = 120_000;

export class Lease extends EventTarget {
  // Events: "taken" when somebody else holds the reading (`words` say who), "free" when it is ours after that.
  constructor(reading) {
    super();
    this.path = `/api/readings/${reading}/lease`;
    this.held = false;
    this.words = null;
    this.active = Date.now();
  }

  async start() {
    for (const kind of ["keydown", "pointerdown", "wheel"]) window.addEventListener(kind, () => this.touch(), { passive: true, capture: true });
    window.addEventListener("pagehide", () => this.drop());
    window.addEventListener("pageshow", (event) => event.persisted && this.take());
    setInterval(() => this.tick(), RENEW);
    await this.take();
  }

  touch() {
    this.active = Date.now();
    if (!this.held && this.words === null) this.take();
  }

  tick() {
    if (document.hidden || Date.now() - this.active > IDLE) this.held = false; // it expires soon; the next touch takes it again
    else this.take();
  }

  async take() {
    if (this.asking) return;
    this.asking = true;
    try {
      await api("POST", this.path);
      const waited = this.words !== null;
      this.held = true;
      this.words = null;
      if (waited) this.dispatchEvent(new Event("free"));
    } catch (error) {
      this.held = false;
      if (error.status === 423) {
        this.words = error.message;
        this.dispatchEvent(new Event("taken"));
      }
    } finally {
      this.asking = false;
    }
  }

  drop() {
    if (this.held) leave(this.path);
    this.held = false;
  }
}
