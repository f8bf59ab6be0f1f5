// The texts to ask about: one in the text field, others in the list above it.

import { $, make } from "./dom.js";
import { languageOf, number, t } from "./language.js";

let documents = [{ name: "", text: "" }];
let current = 0;
let limits = { characters: Infinity, count: Infinity };
let changed = () => {};

// `onChange` is called when the user has changed a text.
export function startDocuments(onChange) {
  changed = onChange;
  $("context").addEventListener("input", () => {
    documents[current].text = $("context").value;
    showDocuments();
    changed();
  });
  $("add-text").addEventListener("click", () => {
    documents.push({ name: "", text: "" });
    pick(documents.length - 1);
    changed();
  });
}

export function setLimits(characters, count) {
  limits = { characters, count };
  showDocuments();
}

// The texts that are not blank, with their names.
export function texts() {
  return documents
    .map(({ name, text }, n) => ({ name: name || t("text_number", { n: n + 1 }), text }))
    .filter(({ text }) => text.trim());
}

// What `setDocuments` takes.
export function storedDocuments() {
  return documents;
}

// Replace all texts, as {name, text}; the name may be empty.
export function setDocuments(list) {
  // The text field would change line ends, and the places of answers with them.
  documents = list.map(({ name, text }) => ({ name, text: text.replace(/\r\n?/g, "\n") }));
  if (!documents.length) documents = [{ name: "", text: "" }];
  current = 0;
  showDocuments();
}

// Add texts behind those that are there.
export function addDocuments(list) {
  const kept = documents.filter(({ text }) => text.trim());
  setDocuments([...kept, ...list]);
  pick(kept.length);
  changed();
}

export function showDocuments() {
  const { text } = documents[current];
  if ($("context").value !== text) $("context").value = text;
  $("context").lang = languageOf(text);
  showCount();
  const list = $("texts");
  list.hidden = documents.length < 2;
  list.replaceChildren(...(list.hidden ? [] : documents.map(listed)));
  const picked = list.children[current];
  if (picked) list.scrollTop = picked.offsetTop - list.offsetTop - list.clientHeight / 2;
}

function showCount() {
  const total = documents.reduce((sum, { text }) => sum + length(text), 0);
  const isKnown = Number.isFinite(limits.characters);
  $("count").textContent = isKnown ? t("count", { n: total, limit: limits.characters }) : "";
  $("count").classList.toggle("over", total > limits.characters);
  $("add-text").disabled = documents.length >= limits.count;
}

function listed({ name, text }, n) {
  const title = name || t("text_number", { n: n + 1 });
  const size = t("characters", { n: number(length(text)) });
  const button = make(
    "button",
    { type: "button", className: "pick", "aria-pressed": String(n === current) },
    make("span", { className: "name", title, textContent: title }),
    make("span", { className: "size", textContent: size }),
  );
  button.addEventListener("click", () => pick(n));
  const remove = make("button", { type: "button", className: "remove", textContent: "×" });
  remove.setAttribute("aria-label", t("remove", { name: title }));
  remove.addEventListener("click", () => {
    documents.splice(n, 1);
    pick(Math.min(current, documents.length - 1));
    changed();
  });
  return make("li", {}, button, remove);
}

function pick(n) {
  current = n;
  showDocuments();
  $("context").focus();
}

// In characters as the server counts them: an emoji is one.
function length(text) {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}
