// Requests to the server of this page: JSON with the CSRF token. An error carries the server's own words.

export class ApiError extends Error {
  constructor(status, message, body) {
    super(message);
    this.status = status;
    this.body = body;
  }
}

const WITHOUT_TOKEN = ["/api/login", "/api/setup"];
let token = null;
let known = ""; // the token once it has come, for requests that cannot wait

// The CSRF token of this login, asked for once.
async function csrfToken() {
  token ??= fetch("/api/me", { headers: { Accept: "application/json" } }).then(async (answer) => (known = answer.ok ? (await answer.json()).csrf_token : ""));
  return token;
}

export async function api(method, path, body, version) {
  const headers = { Accept: "application/json" };
  if (method !== "GET" && !WITHOUT_TOKEN.includes(path)) headers["X-CSRF-Token"] = await csrfToken();
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (version !== undefined && version !== null) headers["If-Match"] = `"${version}"`;
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    throw new ApiError(0, "The server does not answer. Nothing was saved since; try again.", null);
  }
  const text = await answer.text();
  const value = parsed(text);
  if (!answer.ok) throw new ApiError(answer.status, words(value, answer), value);
  return value;
}

// A DELETE that outlives the page.
export function leave(path) {
  fetch(path, { method: "DELETE", keepalive: true, headers: { "X-CSRF-Token": known } });
}

function parsed(text) {
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    return null;
  }
}

function words(value, answer) {
  return typeof value?.message === "string" ? value.message : `The server answered ${answer.status} ${answer.statusText}.`;
}

// An element with properties and children. Text is always set as text, never as markup.
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "class") made.className = value;
    else if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key in made && !key.includes("-")) made[key] = value;
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}
