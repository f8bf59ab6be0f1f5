// The description of the API, made of /openapi.json, with a form to try each path.

import { $, make } from "./dom.js";

let schemas = {};

async function start() {
  const api = await (await fetch("openapi.json")).json();
  const server = await (await fetch("settings")).json();
  schemas = api.components.schemas;
  $("description").textContent = api.info.description;
  $("key-row").hidden = !server.needs_key;
  $("key-row").addEventListener("submit", (event) => event.preventDefault());
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      showOperation(method.toUpperCase(), path, operation);
    }
  }
}

function showOperation(method, path, operation) {
  const id = `${method}${path}`.replaceAll("/", "-").toLowerCase();
  const title = `${method} ${path}`;
  const link = make("a", { href: `#${id}` }, make("code", { textContent: title }));
  $("contents").firstElementChild.append(make("li", {}, link));
  $("paths").append(
    make("h2", { id }, make("code", { textContent: title })),
    ...(operation.description ?? "").split("\n\n").map((text) => make("p", { textContent: text })),
    ...triedBy(method, path, operation),
    ...fieldsOf("Request", requestSchema(operation)),
    ...fieldsOf("Response", responseSchema(operation)),
    make("p", { className: "statuses", textContent: statusesOf(operation) }),
  );
}

const requestSchema = ({ requestBody }) => requestBody?.content["application/json"]?.schema;
const responseSchema = ({ responses }) => responses[200]?.content?.["application/json"]?.schema;

function statusesOf({ responses }) {
  return Object.entries(responses)
    .map(([status, { description }]) => `${status} ${description}`)
    .join(" · ");
}

// A form that sends a request and shows what comes back, and the same for a command line.
function triedBy(method, path, operation) {
  const schema = requestSchema(operation);
  const isFile = !schema && operation.requestBody;
  const output = outputOf(method, path);
  const input = inputOf(path, schema, isFile);
  const send = make("button", { className: "send", textContent: `Send ${method} ${path}` });
  const form = make("form", {}, ...input.elements, send);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const request = method === "GET" ? {} : { method, body: input.body(), type: input.type };
    showResponse(output, path, request);
  });
  return [form, output, curl(method, path, schema, isFile)];
}

function outputOf(method, path) {
  const output = make("pre", {
    className: "result",
    hidden: true,
    tabIndex: 0,
    "aria-live": "polite",
    "aria-label": `Response of ${method} ${path}`,
  });
  output.setAttribute("role", "region");
  return output;
}

// What a form has to fill in: its elements, the body that they make, and the body's type.
function inputOf(path, schema, isFile) {
  const id = `body${path.replaceAll("/", "-")}`;
  if (schema) {
    const field = make("textarea", { id, spellcheck: false });
    field.value = JSON.stringify(exampleOf(resolved(schema)), null, 2);
    const label = make("label", { htmlFor: id, textContent: "Body (JSON)" });
    return { elements: [label, field], body: () => field.value, type: "application/json" };
  }
  if (isFile) {
    const field = make("input", { type: "file", id, accept: ".pdf" });
    const label = make("label", { htmlFor: id, textContent: "PDF file" });
    const elements = [label, make("p", {}, field)];
    return { elements, body: () => field.files[0], type: "application/pdf" };
  }
  return { elements: [], body: () => undefined, type: "application/json" };
}

async function showResponse(output, path, { method = "GET", body, type }) {
  const headers = {};
  if (type) headers["content-type"] = type;
  if ($("key").value) headers.authorization = `Bearer ${$("key").value}`;
  output.hidden = false;
  output.textContent = "…";
  try {
    const response = await fetch(path.slice(1), { method, body, headers });
    const text = await response.text();
    output.textContent = `${response.status} ${response.statusText}\n${indented(text)}`;
  } catch (error) {
    output.textContent = String(error);
  }
}

function indented(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function curl(method, path, schema, isFile) {
  const address = new URL(path.slice(1), location.href.replace(/docs([?#].*)?$/, "")).href;
  const lines = [`curl ${address}`];
  if (!$("key-row").hidden) lines.push(`-H "authorization: Bearer $MRC_API_KEY"`);
  if (schema) {
    lines.push(
      `-H 'content-type: application/json'`,
      `-d '${JSON.stringify(exampleOf(resolved(schema)))}'`,
    );
  } else if (isFile) {
    lines.push(`-H 'content-type: application/pdf'`, "--data-binary @FILE.pdf");
  }
  const summary = make("summary", { textContent: "On the command line" });
  return make("details", {}, summary, make("pre", { textContent: lines.join(" \\\n  ") }));
}

const resolved = (schema) => (schema?.$ref ? schemas[schema.$ref.split("/").pop()] : schema);

// A body that works: the required fields with their examples.
function exampleOf(schema) {
  return Object.fromEntries(
    schema.required.map((name) => [name, schema.properties[name].examples[0]]),
  );
}

// The fields of a schema, then those of the schemas that it is made of.
function fieldsOf(title, schema) {
  const parts = [];
  const waiting = [[title, schema]];
  const seen = new Set();
  while (waiting.length) {
    const [name, raw] = waiting.shift();
    const found = resolved(raw?.type === "array" ? raw.items : raw);
    if (!found?.properties || seen.has(found)) continue;
    seen.add(found);
    parts.push(make("h3", { textContent: name }), listOf(found));
    for (const value of Object.values(found.properties)) {
      const inner = innerOf(value);
      if (inner) waiting.push([inner.split("/").pop(), { $ref: inner }]);
    }
  }
  return parts;
}

// The name of the schema that a value, or each value of a list, has.
function innerOf(value) {
  const options = value.anyOf ?? [value];
  return options.map((option) => option.$ref ?? option.items?.$ref).find((name) => name);
}

function listOf({ properties, required = [] }) {
  const list = make("dl");
  for (const [name, value] of Object.entries(properties)) {
    const facts = [kindOf(value), required.includes(name) ? "" : "optional", boundsOf(value)];
    const words = ` ${facts.filter((fact) => fact).join(", ")}`;
    list.append(
      make("dt", {}, make("code", { textContent: name }), make("span", { textContent: words })),
      make("dd", { textContent: value.description ?? "" }),
    );
  }
  return list;
}

function kindOf(value) {
  if (value.$ref) return value.$ref.split("/").pop();
  if (value.anyOf)
    return value.anyOf
      .map(kindOf)
      .filter((kind) => kind !== "null")
      .join(" or ");
  if (value.enum) return value.enum.join(" or ");
  return value.type === "array" ? `list of ${kindOf(value.items)}` : (value.type ?? "any");
}

function boundsOf(value) {
  const [option] = value.anyOf ?? [value];
  if (option.maximum !== undefined) return `${option.minimum} to ${option.maximum}`;
  return option.maxLength ? `at most ${option.maxLength} characters` : "";
}

start();
