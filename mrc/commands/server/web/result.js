// The answer: what was asked, what was found, how it scores, and where it stands.

import { post } from "./api.js";
import { $, make } from "./dom.js";
import { languageOf, pageLanguage, percent, t } from "./language.js";
import { folded, markedText, snippet, wordProbabilities, wordsOf } from "./marking.js";

// From which score on an answer is shown as likely, and from which as possible. Scores are the
// reader's own and say little about how often it is right, so these are rough.
const HIGH_SCORE = 0.7;
const MEDIUM_SCORE = 0.4;

// How many candidates are shown; more are asked for, since those that overlap become one.
const MAX_CANDIDATES = 6;
export const TOP_K = 20;

// A longer answer is shown in smaller type.
const LONG_ANSWER = 90;

// What is shown: {question, texts, settings, answers, candidates, example}; null for nothing yet.
let shown = null;
let chosen = null;
// Why it no longer answers what stands in the form: "", "changed" or "failed".
let stale = "";
// Words and their probabilities by text, as they are asked for.
let shades = new Map();

// `onError` is called if the words' probabilities cannot be had.
export function startResult(onError) {
  for (const radio of document.querySelectorAll("input[name=shade]")) {
    radio.addEventListener("change", () => showText().catch(onError));
  }
}

// Show answers.
// asked: {question, texts: [{name, text}], example}, the example's right answer or undefined.
export function setResult(asked, answers) {
  const texts = asked.texts.map(({ name, text }) => ({ name, characters: Array.from(text) }));
  shown = { ...asked, texts, candidates: folded(answers, MAX_CANDIDATES) };
  chosen = shown.candidates[0];
  stale = "";
  shades = new Map();
  document.querySelector("input[name=shade][value='']").checked = true;
  showResult();
  $("said").textContent = t(chosen.answer ? "said" : "said_none", {
    a: chosen.answer,
    level: t(levelOf(chosen.score)),
    p: percent(chosen.score),
  });
}

export function clearResult() {
  shown = null;
  showResult();
}

// Dim what no longer answers the form. `reason`: "", "changed" or "failed".
export function setStale(reason) {
  if (shown) stale = reason;
  showStale();
}

export function bestAnswer() {
  return chosen?.answer ?? "";
}

export function showResult() {
  $("empty").hidden = shown !== null;
  $("found").hidden = shown === null;
  showStale();
  if (shown === null) return;
  $("asked").textContent = shown.question;
  $("asked").lang = languageOf(shown.question);
  showAnswer();
  showRemark();
  showText();
  showCandidates();
}

function showStale() {
  $("result").classList.toggle("dimmed", shown !== null && stale !== "");
  $("stale").hidden = stale === "";
  $("stale-reason").textContent = stale ? t(stale) : "";
}

function levelOf(score) {
  if (score >= HIGH_SCORE) return "high";
  return score >= MEDIUM_SCORE ? "medium" : "low";
}

function showAnswer() {
  const level = levelOf(chosen.score);
  const nothing = t(shown.texts.length > 1 ? "none_of" : "none");
  $("answer").textContent = chosen.answer || nothing;
  $("answer").className = `answer ${level}`;
  $("answer").classList.toggle("none", !chosen.answer);
  $("answer").classList.toggle("long", chosen.answer.length > LONG_ANSWER);
  $("answer").lang = chosen.answer
    ? languageOf(textOf(chosen).characters.join(""))
    : pageLanguage();
  $("level").textContent = t(level);
  $("level").className = `level ${level}`;
  $("score").textContent = percent(chosen.score);
  $("copy-answer").hidden = !chosen.answer;
}

// How the reader did, where the question is one of the examples.
function showRemark() {
  const right = shown.example;
  const best = shown.candidates[0].answer;
  $("remark").hidden = right === undefined;
  if (right !== undefined) $("remark").textContent = t(remarkOn(best, right), { a: right });
}

// Which text says how an example went; "" is the right answer of one that has none.
function remarkOn(best, right) {
  if (best === right) return right ? "example_right" : "example_none_right";
  if (right) return "example_wrong";
  // Why an example without an answer was given one.
  if (shown.mayBeNone) return "example_none_wrong";
  return shown.mayChoose ? "example_none_not_asked" : "example_none_untrained";
}

// The text that an answer stands in; without an answer, the first.
function textOf(answer) {
  return shown.texts[answer.passage ?? 0];
}

async function showText() {
  const asked = shown;
  const answer = chosen;
  const side = document.querySelector("input[name=shade]:checked").value;
  const text = textOf(answer);
  const isOneOfMany = asked.texts.length > 1;
  // Of several texts, none of which holds the answer, no one is of interest.
  $("text").hidden = isOneOfMany && !answer.answer;
  $("where").hidden = !isOneOfMany || !answer.answer;
  $("where").textContent = t("where", { name: text.name });
  const shade = side ? await shadeOf(text, side) : null;
  // Something else may have been asked or chosen meanwhile.
  if (asked !== shown || answer !== chosen) return;
  const box = $("text");
  box.lang = languageOf(text.characters.join(""));
  box.replaceChildren(markedText(text.characters, answer, shade));
  const mark = box.querySelector("mark");
  box.scrollTop = mark ? Math.max(0, mark.offsetTop - box.clientHeight / 2) : 0;
}

// The words of a text, and how likely the answer starts (or ends) at each.
async function shadeOf(text, side) {
  if (!shades.has(text)) {
    const context = text.characters.join("");
    const settings = { question: shown.question, context, explain: true };
    const { tokens } = await post("answer", settings);
    shades.set(text, { tokens, words: wordsOf(text.characters) });
  }
  const { tokens, words } = shades.get(text);
  return { side, words, probabilities: wordProbabilities(words, tokens, side) };
}

function showCandidates() {
  const count = shown.texts.length;
  $("others-title").textContent = count > 1 ? t("others_of", { n: count }) : t("others");
  $("others").replaceChildren(...shown.candidates.map(listed));
}

function listed(candidate) {
  const item = make("li", {}, button(candidate));
  const others = candidate.overlapping;
  if (others.length) {
    const label = t(others.length === 1 ? "overlapping_one" : "overlapping", { n: others.length });
    const list = make("ol", { className: "candidates" });
    list.append(...others.map((other) => make("li", {}, button(other))));
    item.append(
      make(
        "details",
        { open: others.includes(chosen) },
        make("summary", { textContent: label }),
        list,
      ),
    );
  }
  return item;
}

function button(answer) {
  const words = make("span", { className: "words", textContent: answer.answer || t("none_short") });
  if (answer.answer) words.lang = languageOf(answer.answer);
  else words.classList.add("none");
  const fill = make("i");
  fill.style.width = `${100 * answer.score}%`;
  const pressed = String(answer === chosen);
  const element = make(
    "button",
    { type: "button", className: "candidate", "aria-pressed": pressed },
    words,
    make("span", { className: "bar", "aria-hidden": "true" }, fill),
    make("span", { className: "percent", textContent: percent(answer.score) }),
  );
  if (answer.answer && shown.texts.length > 1) element.append(placeOf(answer));
  element.addEventListener("click", () => {
    chosen = answer;
    showAnswer();
    showText();
    showPressed(element);
  });
  return element;
}

// The name of the text that an answer stands in, and the answer in its place.
function placeOf(answer) {
  const { name, characters } = textOf(answer);
  const place = make("span", { className: "place" });
  place.append(make("b", { textContent: name }), " · ", snippet(characters, answer));
  return place;
}

function showPressed(element) {
  for (const other of $("others").querySelectorAll(".candidate")) {
    other.setAttribute("aria-pressed", String(other === element));
  }
}
