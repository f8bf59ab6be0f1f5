// What outlives the page: the form over a reload, links, and the clipboard.

import { Refusal } from "./api.js";
import { make, recall, remember } from "./dom.js";

// Programs cut longer links when they are pasted.
const MAX_LINK = 30000;

// A link to this page with texts and question behind the #, which browsers send to no server:
// #q=QUESTION&t=TEXT&t=TEXT
export function linkTo(question, texts) {
  const parts = new URLSearchParams({ q: question });
  for (const { text } of texts) parts.append("t", text);
  const link = `${location.origin}${location.pathname}#${parts}`;
  if (link.length > MAX_LINK) {
    throw new Refusal("link_too_long", { length: link.length, limit: MAX_LINK });
  }
  return link;
}

// {question, texts} of the link that led here; null if it brings nothing.
export function readLink() {
  const fragment = location.hash.slice(1);
  if (!fragment) return null;
  // Otherwise a reload would bring back what has been edited since.
  history.replaceState(null, "", location.pathname + location.search);
  const parts = new URLSearchParams(fragment);
  const texts = parts.getAll("t").map((text) => ({ name: "", text }));
  const question = parts.get("q") ?? "";
  if (!texts.length && !question) throw new Refusal("link_damaged");
  return { question, texts };
}

export const keepForm = (form) => remember("sessionStorage", "form", form);

// {question, texts} as they were before a reload, or null.
export function keptForm() {
  const form = recall("sessionStorage", "form");
  const isWhole = typeof form?.question === "string" && Array.isArray(form.texts);
  return isWhole ? form : null;
}

// Whether a text could be copied.
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Browsers have no clipboard for pages without TLS from other machines; this older way works.
    return copyBySelection(text);
  }
}

function copyBySelection(text) {
  const field = make("textarea", { className: "hidden", value: text });
  const focused = document.activeElement;
  document.body.append(field);
  field.select();
  const isCopied = document.execCommand("copy");
  field.remove();
  focused?.focus();
  return isCopied;
}
