// The questions asked in this tab, newest first. Choosing one asks it again, of the texts now.

import { $, make, recall, remember } from "./dom.js";
import { languageOf, t } from "./language.js";

const MAX_ENTRIES = 20;
const MAX_CHARS = 300;

let entries = recall("sessionStorage", "history") ?? [];
let askAgain = () => {};

// `onChoice` is called with a question.
export function startHistory(onChoice) {
  askAgain = onChoice;
  $("forget").addEventListener("click", () => {
    entries = [];
    remember("sessionStorage", "history", entries);
    showHistory("");
    $("question").focus();
  });
}

// Add a question with its answer and a digest of its texts.
export function addToHistory(question, answer, digest) {
  const others = entries.filter((entry) => entry.question !== question || entry.digest !== digest);
  entries = [{ question, answer: answer.slice(0, MAX_CHARS), digest }, ...others].slice(
    0,
    MAX_ENTRIES,
  );
  remember("sessionStorage", "history", entries);
}

// Show the questions; an answer is shown only with the texts that it is from.
export function showHistory(digest) {
  $("history").hidden = !entries.length;
  $("history-list").replaceChildren(...entries.map((entry) => listed(entry, digest)));
}

function listed({ question, answer, digest }, digestNow) {
  const got = make("span", { className: "got" });
  got.textContent = digest === digestNow ? answer || t("none_short") : t("another_text");
  const words = make("span", { textContent: question, lang: languageOf(question) });
  const button = make(
    "button",
    { type: "button" },
    make("span", { className: "main" }, words, got),
  );
  button.addEventListener("click", () => askAgain(question));
  return make("li", {}, button);
}

// A number that tells texts apart (FNV-1a, 32 bits).
export function digestOf(texts) {
  let hash = 0x811c9dc5;
  const all = JSON.stringify(texts.map(({ text }) => text));
  for (let i = 0; i < all.length; i += 1) {
    hash = Math.imul(hash ^ all.charCodeAt(i), 0x01000193);
  }
  return hash >>> 0;
}
