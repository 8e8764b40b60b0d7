// The cell that has the focus: enlarged with a scale bar, what the model saw, references, comments, history.

import { api, element } from "./api.js";

const VIEWS = ["attention", "crop", "erase"];

export class Detail {
  constructor(place, context) {
    this.place = place;
    this.context = context;
    this.part = (name) => place.querySelector(`[data-${name}]`);
    this.part("look").addEventListener("click", () => this.look());
    this.part("comment").addEventListener("submit", (event) => this.comment(event));
    this.part("comment").hidden = !context.permissions.includes("comment");
    this.part("zoom").addEventListener("input", () => this.scale());
  }

  // Wait a moment, so that a person who goes through cells with the keys does not ask for each of them.
  show(id) {
    this.id = id;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.draw(id), 90);
  }

  // After a change: the cell and its references may have other answers.
  refresh() {
    this.show(this.id);
  }

  async draw(id) {
    const { caseId, reading, say } = this.context;
    let cell;
    try {
      cell = await api("GET", `/api/readings/${reading}/cells/${id}`);
    } catch (error) {
      say(error.message, true);
      return;
    }
    if (id !== this.id) return;
    this.cell = cell;
    const picture = this.part("picture");
    const address = `/images/cases/${caseId}/cells/${id}`;
    if (!picture.src.endsWith(address)) {
      picture.src = address;
      this.part("shots").replaceChildren();
    }
    picture.alt = `Cell ${id}, enlarged`;
    picture.onload = () => this.scale();
    this.part("title").textContent = `Cell ${id}`;
    this.part("facts").replaceChildren(...this.facts(cell).flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
    this.part("field").href = `/cases/${caseId}/fields/${cell.field}?reading=${reading}&cell=${id}`;
    this.part("field").hidden = cell.field === null;
    this.part("link").href = `/cases/${caseId}/cells/${id}`;
    this.comments(cell.comments ?? []);
    this.references(cell.label ?? cell.suggested);
  }

  facts(cell) {
    const title = (name) => this.context.classes.get(name)?.title ?? name;
    const percent = (value) => (value === null || value === undefined ? "–" : `${(100 * value).toFixed(0)} %`);
    const rows = [["Answer", cell.status === "confirmed" ? `${title(cell.label)}, by ${cell.by ?? "a person"}` : "not confirmed yet"]];
    if (cell.suggested) rows.push(["Suggested", `${title(cell.suggested)}, ${percent(cell.suggested_score)}`]);
    else rows.push(["Suggested", cell.blind ? "hidden: this cell is labelled blind" : cell.added ? "none: added by a person" : "none"]);
    if (cell.blast_score !== null && cell.blast_score !== undefined) rows.push(["Blast score", percent(cell.blast_score)]);
    if (cell.referred) rows.push(["Referred", cell.refer_reason || "yes"]);
    if (cell.size_microns) rows.push(["Size", `${cell.size_microns.toFixed(1)} µm`]);
    const marks = [...(cell.marks ?? []), ...(cell.quality ?? [])];
    if (marks.length) rows.push(["Marks", marks.join(", ").replaceAll("_", " ")]);
    return rows;
  }

  // The scale bar: a round length in micrometres that fits into a third of the picture.
  scale() {
    const picture = this.part("picture");
    const side = Number(this.part("zoom").value);
    picture.style.width = `${side}%`;
    const microns = this.cell?.microns_per_pixel;
    const bar = this.part("scale");
    bar.hidden = !microns || !picture.naturalWidth;
    if (bar.hidden) return;
    const perMicron = picture.clientWidth / (picture.naturalWidth * microns);
    const length = [1, 2, 5, 10, 20, 50, 100].findLast((one) => one * perMicron <= this.part("frame").clientWidth / 3) ?? 1;
    bar.style.width = `${length * perMicron}px`;
    bar.textContent = `${length} µm`;
  }

  // What the three streams of the model received; the server computes it on demand.
  async look() {
    const id = this.id;
    const place = this.part("shots");
    place.replaceChildren(element("p", {}, "The model is computing …"));
    const shots = await Promise.all(VIEWS.map((name) => this.shot(id, name)));
    if (id !== this.id) return;
    const refused = shots.find((one) => typeof one === "string");
    place.replaceChildren(...(refused ? [element("p", {}, refused)] : shots));
  }

  async shot(id, name) {
    const answer = await fetch(`/images/cases/${this.context.caseId}/cells/${id}/views/${name}`);
    if (!answer.ok) return (await answer.json()).message;
    const image = element("img", { alt: `${name} of cell ${id}`, src: URL.createObjectURL(await answer.blob()) });
    image.addEventListener("load", () => URL.revokeObjectURL(image.src));
    return element("figure", {}, image, element("figcaption", {}, name));
  }

  openField() {
    if (this.cell && this.cell.field !== null) location.assign(this.part("field").href);
  }

  focusComment() {
    this.part("comment").querySelector("textarea").focus();
  }

  comments(list) {
    const rows = list.filter((one) => !one.withdrawn).map((one) => element("li", {}, element("b", {}, one.by), ` ${one.at.slice(0, 16).replace("T", " ")}: ${one.text}`));
    this.part("comments").replaceChildren(...rows);
  }

  async comment(event) {
    event.preventDefault();
    const text = event.target.elements.text;
    if (!text.value.trim()) return;
    try {
      await api("POST", `/api/cases/${this.context.caseId}/comments`, { text: text.value, cell: this.id });
    } catch (error) {
      this.context.say(error.message, true);
      return;
    }
    text.value = "";
    this.draw(this.id);
  }

  // Cells of the same class beside this one, confirmed ones first; they change with every answer, thus with the version.
  async references(label) {
    const { reading, classes, cells } = this.context;
    const place = this.part("references");
    const wanted = `${cells.version} ${label}`;
    if (wanted === this.referenced) return;
    this.referenced = wanted;
    if (!label) return place.replaceChildren(element("p", {}, "Choose a class to see reference cells."));
    const answer = await api("GET", `/readings/${reading}/references/${encodeURIComponent(label)}`).catch(() => ({ cells: [] }));
    if (wanted !== this.referenced) return undefined;
    const pictures = answer.cells.map((one) =>
      element("figure", { class: one.confirmed ? "confirmed" : "suggested" },
        element("img", { src: `/images/cases/${one.case}/thumbs/${one.cell}`, alt: "", width: 72, height: 72 }),
        element("figcaption", {}, one.confirmed ? "confirmed" : "suggested")),
    );
    place.replaceChildren(element("h3", {}, `Reference: ${classes.get(label)?.title ?? label}`), ...(pictures.length ? pictures : [element("p", {}, "No cell of this class yet.")]));
    return undefined;
  }
}
