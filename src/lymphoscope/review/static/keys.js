// Keys of the gallery: shown, changeable, and off at will (WCAG 2.1.4). They act only while a cell has the focus, and
// the person's choice is kept by the server with the other preferences.

import { api, element } from "./api.js";

const MOVES = new Set(["Tab", "Escape", "ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "PageUp", "PageDown", " "]);

export class Keys {
  // `actions` is [{name, title, key, run}].
  constructor(actions, preferences) {
    this.actions = actions;
    this.preferences = preferences;
    this.off = preferences.keys_off === true;
    this.chosen = preferences.keys ?? {};
  }

  keyOf(action) {
    return this.chosen[action.name] ?? action.key;
  }

  shown(action) {
    return this.off ? "" : this.keyOf(action);
  }

  // Run the action of a key press; false where it has none.
  press(event) {
    if ((event.ctrlKey || event.metaKey) && event.key === "z") return this.run("undo", event);
    if (this.off || event.ctrlKey || event.metaKey || event.altKey) return false;
    const action = this.actions.find((one) => this.keyOf(one) === event.key);
    return action ? this.run(action.name, event) : false;
  }

  run(name, event) {
    event.preventDefault();
    this.actions.find((one) => one.name === name).run();
    return true;
  }

  async keep(off, chosen) {
    this.off = off;
    this.chosen = chosen;
    Object.assign(this.preferences, { keys_off: off, keys: chosen });
    await api("PUT", "/api/me/preferences", this.preferences);
  }

  // Fill the dialog of the keys; `changed` is called after they were kept.
  dialog(dialog, changed) {
    const list = dialog.querySelector("[data-keys]");
    const problem = dialog.querySelector("[role=alert]");
    const off = dialog.querySelector("[name=keys_off]");
    const fields = this.actions.map((action) => [action, this.field(action)]);
    off.checked = this.off;
    problem.textContent = "";
    list.replaceChildren(...fields.map(([action, input]) => element("label", {}, element("span", {}, action.title), input)));
    dialog.querySelector("form").onsubmit = async (event) => {
      event.preventDefault();
      const wanted = fields.map(([action, input]) => [action, input.value]);
      problem.textContent = clash(wanted);
      if (problem.textContent) return;
      const chosen = Object.fromEntries(wanted.filter(([a, key]) => key !== a.key).map(([a, key]) => [a.name, key]));
      try {
        await this.keep(off.checked, chosen);
      } catch (error) {
        problem.textContent = error.message;
        return;
      }
      dialog.close();
    };
    dialog.querySelector("[data-defaults]").onclick = () => {
      for (const [action, input] of fields) input.value = action.key;
      off.checked = false;
    };
    dialog.querySelector("[data-close]").onclick = () => dialog.close();
    dialog.onclose = changed;
    dialog.showModal();
  }

  field(action) {
    const input = element("input", { type: "text", value: this.keyOf(action), size: 6, autocomplete: "off", spellcheck: false });
    input.addEventListener("keydown", (event) => {
      if (MOVES.has(event.key) || ["Shift", "Control", "Alt", "Meta"].includes(event.key)) return;
      event.preventDefault();
      input.value = ["Backspace", "Delete"].includes(event.key) ? "" : event.key;
    });
    return input;
  }
}

function clash(wanted) {
  const taken = new Map();
  for (const [action, key] of wanted) {
    if (!key) continue;
    if (taken.has(key)) return `"${key}" is the key of "${taken.get(key)}" and of "${action.title}": choose another for one.`;
    taken.set(key, action.title);
  }
  return "";
}

// Keys of the usual classes: a letter for those that are not of the model, 1 to 9 and 0 for the others in their order.
export function classKeys(usual) {
  const digits = usual.filter((one) => !one.letter).slice(0, 10);
  const letters = usual.filter((one) => one.letter).map((one) => [one.name, one.letter]);
  return Object.fromEntries([...letters, ...digits.map((one, at) => [one.name, String((at + 1) % 10)])]);
}
