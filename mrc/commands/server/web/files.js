// Files that the user chose or dropped, as texts. The server reads PDF files; all others stay here.

import { Refusal, send } from "./api.js";

// Where a text may stand in JSON, in the order in which they are looked for.
const TEXT_KEYS = ["context", "passage", "text"];

// The texts of a file, as {name, text}.
// `limits`: KiB of a text file and of a PDF file, and how many texts there may be.
export async function textsOf(file, limits) {
  const suffix = file.name.toLowerCase().split(".").pop();
  const limit = suffix === "pdf" ? limits.pdfKb : limits.textKb;
  const size = Math.ceil(file.size / 1024);
  if (size > limit) throw new Refusal("file_too_large", { name: file.name, size, limit });
  const found = await read(file, suffix);
  const kept = found.filter((text) => text.trim());
  if (!kept.length) throw new Refusal("file_empty", { name: file.name });
  if (kept.length > limits.count) {
    const parameters = { name: file.name, count: kept.length, limit: limits.count };
    throw new Refusal("file_too_many", parameters);
  }
  const name = (n) => (kept.length > 1 ? `${file.name} ${n + 1}` : file.name);
  return kept.map((text, n) => ({ name: name(n), text }));
}

async function read(file, suffix) {
  if (suffix === "pdf") return [(await send("pdf", "application/pdf", file)).text];
  if (suffix === "txt" || suffix === "md") return [await decoded(file)];
  if (suffix === "json" || suffix === "jsonl") return textsInJson(file.name, await decoded(file));
  throw new Refusal("file_unknown", { name: file.name });
}

async function decoded(file) {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
  } catch {
    throw new Refusal("file_not_utf8", { name: file.name });
  }
}

// The distinct texts of a file of questions (SQuAD and others), of objects, or of strings.
function textsInJson(name, content) {
  const value = parsed(name, content);
  if (typeof value === "string") return [value];
  if (Array.isArray(value) && value.every((entry) => typeof entry === "string")) return value;
  for (const key of TEXT_KEYS) {
    const found = new Set();
    collect(value, key, found);
    if (found.size) return [...found];
  }
  return [];
}

function parsed(name, content) {
  try {
    return JSON.parse(content);
  } catch {
    // Perhaps JSON Lines.
  }
  try {
    return content
      .split("\n")
      .filter((line) => line.trim())
      .map((line) => JSON.parse(line));
  } catch {
    throw new Refusal("file_not_json", { name });
  }
}

// Every string that stands at a key, however deep, into a set.
function collect(root, key, found) {
  const waiting = [root];
  while (waiting.length) {
    const value = waiting.pop();
    if (value === null || typeof value !== "object") continue;
    if (typeof value[key] === "string") found.add(value[key]);
    // The last comes first off the stack.
    for (const inner of Object.values(value).reverse()) waiting.push(inner);
  }
}
