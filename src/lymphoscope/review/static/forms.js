// Forms that send JSON to the API: <form data-api="POST /api/..." data-next="/...">. The answer's error is shown in the form.
// A field named `roles` with several checked boxes is sent as a list; an empty optional field is left out.

import { api } from "./api.js";

for (const form of document.querySelectorAll("form[data-api]")) form.addEventListener("submit", send);

async function send(event) {
  event.preventDefault();
  const form = event.target;
  const problem = form.querySelector("[role=alert]");
  const [method, path] = form.dataset.api.split(" ");
  problem.textContent = "";
  try {
    await api(method, path, valuesOf(form), form.dataset.version);
  } catch (error) {
    problem.textContent = error.message;
    form.querySelector("input[type=password]")?.select();
    return;
  }
  if (form.dataset.next) location.assign(form.dataset.next);
  else location.reload();
}

function valuesOf(form) {
  const values = {};
  for (const field of form.elements) {
    if (!field.name || field.type === "submit" || (field.type === "radio" && !field.checked)) continue;
    if (field.dataset.list !== undefined) {
      values[field.name] ??= [];
      if (field.checked) values[field.name].push(field.value);
    } else if (field.dataset.boolean !== undefined) values[field.name] = field.checked;
    else if (field.value !== "" || field.required) values[field.name] = field.dataset.number === undefined ? field.value : Number(field.value);
  }
  return Object.keys(values).length ? values : undefined;
}
