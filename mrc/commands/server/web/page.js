// The page to ask in: the form, and what happens when it is sent.

import { Refusal, get, post, setKey } from "./api.js";
import {
  addDocuments,
  setDocuments,
  setLimits,
  showDocuments,
  startDocuments,
  storedDocuments,
  texts,
} from "./documents.js";
import { $, make } from "./dom.js";
import { textsOf } from "./files.js";
import { addToHistory, digestOf, showHistory, startHistory } from "./history.js";
import { errorText, languageName, languageOf, startLanguage, t } from "./language.js";
import {
  TOP_K,
  bestAnswer,
  clearResult,
  setResult,
  setStale,
  showResult,
  startResult,
} from "./result.js";
import { copy, keepForm, keptForm, linkTo, readLink } from "./sharing.js";

// What the server says of itself; see /settings.
let server = {};
let problem = null;
// Counts questions: only the last one's answer is shown.
let asked = 0;
let isBusy = false;
// The right answer, while the form holds an example.
let example;

async function ask() {
  const form = { question: $("question").value, texts: texts(), example };
  if (!form.texts.length || !form.question.trim()) {
    fail(new Refusal("fill"));
    return;
  }
  const mine = (asked += 1);
  setBusy(true);
  showProblem(null);
  const mayBeNone = $("impossible").checked;
  try {
    if ($("key").value) setKey($("key").value);
    const answers = await answersTo(form, mayBeNone);
    if (mine !== asked) return;
    const mayChoose = !$("impossible-row").hidden;
    setResult({ ...form, mayBeNone, mayChoose }, answers);
    addToHistory(form.question, bestAnswer(), digestOf(form.texts));
    changed(isAsked(form) ? null : "changed");
    bringIntoView($("result"));
  } catch (error) {
    if (mine === asked) fail(error);
  } finally {
    if (mine === asked) setBusy(false);
  }
}

async function answersTo({ question, texts: asked }, mayBeNone) {
  const settings = { question, top_k: TOP_K, handle_impossible_answer: mayBeNone };
  const contexts = asked.map(({ text }) => text);
  const [path, where] =
    contexts.length > 1 ? ["read", { contexts }] : ["answer", { context: contexts[0] }];
  return (await post(path, { ...settings, ...where })).answers;
}

// On a phone the answer lies below the form; an example may have been chosen far below it.
function bringIntoView(element) {
  const { top } = element.getBoundingClientRect();
  if (top < 0 || top > innerHeight / 2) element.scrollIntoView();
}

// Whether the form still holds what was asked.
function isAsked({ question, texts: list }) {
  return question === $("question").value && digestOf(list) === digestOf(texts());
}

function setBusy(is) {
  isBusy = is;
  $("result").setAttribute("aria-busy", String(is));
  $("ask").setAttribute("aria-disabled", String(is));
  $("ask").textContent = t(is ? "asking" : "ask");
}

// Tell of an error; what is shown then answers an earlier question.
function fail(error) {
  if (!(error instanceof Refusal)) console.error(error);
  showProblem(
    error instanceof Refusal ? error : new Refusal("unexpected", { status: error.message }),
  );
  setStale("failed");
}

function showProblem(error) {
  problem = error;
  $("alert").textContent = error ? errorText(error) : "";
  if (error?.code?.startsWith("key_")) {
    $("key-row").hidden = false;
    $("key").focus();
  }
}

// The form has changed: `reason` is what makes the answer stale, null if it is not.
function changed(reason) {
  const digest = digestOf(texts());
  keepForm({ question: $("question").value, texts: storedDocuments() });
  if (reason) {
    example = undefined;
    setStale(reason);
  }
  showHistory(digest);
}

function setForm(question, list) {
  if (list) setDocuments(list);
  $("question").value = question;
  $("question").lang = languageOf(question);
}

async function addFiles(files) {
  showProblem(null);
  for (const file of files) {
    const count = server.max_passages - texts().length;
    const limits = { textKb: server.max_body_kb, pdfKb: server.max_pdf_kb, count };
    try {
      addDocuments(await textsOf(file, limits));
    } catch (error) {
      showProblem(error);
      return;
    }
  }
}

function startForm() {
  $("form").addEventListener("submit", (event) => {
    event.preventDefault();
    ask();
  });
  $("again").addEventListener("click", ask);
  $("context").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) ask();
  });
  $("question").addEventListener("input", () => {
    $("question").lang = languageOf($("question").value);
    changed("changed");
  });
  $("impossible").addEventListener("change", () => changed("setting_changed"));
  $("clear").addEventListener("click", () => {
    setForm("", []);
    showProblem(null);
    clearResult();
    changed("changed");
    $("context").focus();
  });
}

function startFiles() {
  $("add-files").addEventListener("click", () => $("files").click());
  $("files").addEventListener("change", async () => {
    await addFiles([...$("files").files]);
    // The same file can be chosen again.
    $("files").value = "";
  });
  const section = $("ask-section");
  const isOfFiles = (event) => event.dataTransfer?.types.includes("Files");
  section.addEventListener("dragover", (event) => {
    if (!isOfFiles(event)) return;
    event.preventDefault();
    section.classList.add("dropping");
  });
  section.addEventListener("dragleave", () => section.classList.remove("dropping"));
  section.addEventListener("drop", (event) => {
    section.classList.remove("dropping");
    if (!isOfFiles(event)) return;
    event.preventDefault();
    addFiles([...event.dataTransfer.files]);
  });
}

function startSharing() {
  const say = (isCopied) => {
    $("copied").textContent = t(isCopied ? "copied" : "not_copied");
  };
  $("copy-answer").addEventListener("click", async () => say(await copy(bestAnswer())));
  $("copy-link").addEventListener("click", async () => {
    try {
      say(await copy(linkTo($("question").value, texts())));
    } catch (error) {
      showProblem(error);
    }
  });
  addEventListener("hashchange", openLink);
}

function openLink() {
  try {
    const link = readLink();
    if (!link) return false;
    setForm(link.question, link.texts);
    changed("changed");
    if (link.question && link.texts.length) ask();
  } catch (error) {
    showProblem(error);
  }
  return true;
}

async function startExamples() {
  const samples = await get("examples");
  for (const sample of samples) {
    sample.questions.forEach((question, n) => {
      const tag = make("small", { className: "tag", textContent: sample.language });
      tag.dataset.language = sample.language;
      const words = make("span", {
        className: "main",
        textContent: question,
        lang: sample.language,
      });
      const button = make("button", { type: "button" }, tag, words);
      if (!sample.answers[n]) button.append(make("small", { className: "none-tag" }));
      button.addEventListener("click", () => {
        setForm(question, [{ name: "", text: sample.context }]);
        example = sample.answers[n];
        ask();
      });
      $("example-list").append(make("li", {}, button));
    });
  }
  $("examples").hidden = false;
  showWords();
}

// What of the page's words is not in its markup.
function showWords() {
  for (const tag of document.querySelectorAll(".tag"))
    tag.title = languageName(tag.dataset.language);
  for (const tag of document.querySelectorAll(".none-tag")) tag.textContent = t("no_answer_tag");
  if (server.checkpoint) $("reader").textContent = t("reader", { r: server.checkpoint });
  $("copied").textContent = "";
  setBusy(isBusy);
  if (problem) $("alert").textContent = errorText(problem);
  showDocuments();
  showResult();
  showHistory(digestOf(texts()));
}

// A reader that was not trained to give no answer is not offered the choice, unless the server
// was started with it.
function showSettings() {
  const mayChoose = server.trained_for_no_answer || server.handle_impossible_answer;
  $("impossible").checked = server.handle_impossible_answer;
  $("impossible-row").hidden = !mayChoose;
  $("always-answers").hidden = mayChoose;
  setLimits(server.max_context_chars, server.max_passages);
}

async function start() {
  startLanguage(showWords);
  startForm();
  startFiles();
  startSharing();
  startDocuments(() => changed("changed"));
  startResult(fail);
  startHistory((question) => {
    setForm(question, null);
    example = undefined;
    ask();
  });
  const kept = keptForm();
  if (kept) setForm(kept.question, kept.texts);
  try {
    server = await get("settings");
    showSettings();
    await startExamples();
  } catch (error) {
    showProblem(error);
  }
  openLink();
  showWords();
}

start();
