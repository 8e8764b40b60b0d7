// Settle cells that two readers answered differently.

import { api } from "./api.js";

const list = document.getElementById("disagreements");

list?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const item = form.closest("li");
  const { label, reason } = form.elements;
  try {
    const body = { cells: [Number(item.dataset.cell)], label: label.value, reason: reason.value };
    const change = await api("POST", `/api/cases/${list.dataset.case}/adjudicate`, body, list.dataset.version);
    list.dataset.version = change.version;
    const done = document.createElement("p");
    done.className = "state signed";
    done.textContent = `settled: ${label.selectedOptions[0].textContent}`;
    done.tabIndex = -1;
    form.replaceWith(done);
    (list.querySelector("form select") ?? done).focus();
  } catch (error) {
    form.querySelector("[role=alert]").textContent = error.message;
  }
});
