// Places in a text: its words, which candidates overlap, and the text in marked and shaded pieces.
// The server counts code points, JavaScript UTF-16 units: a text here is an array of code points.

import { make } from "./dom.js";
import { percent } from "./language.js";

// Characters of a text that are shown around an answer in a list.
const AROUND = 60;

// Put answers that overlap a better one with that one: [{...answer, overlapping: [answer, ...]}].
export function folded(answers, most) {
  const groups = [];
  for (const answer of answers) {
    const group = groups.find((other) => overlap(other, answer));
    if (group) group.overlapping.push(answer);
    else groups.push({ ...answer, overlapping: [] });
  }
  return groups.slice(0, most);
}

function overlap(one, other) {
  return one.passage === other.passage && one.start < other.end && other.start < one.end;
}

// The words of a text as [first character, the one after the last].
export function wordsOf(characters) {
  const words = [];
  let at = 0;
  const segmenter = new Intl.Segmenter(undefined, { granularity: "word" });
  for (const { segment, isWordLike } of segmenter.segment(characters.join(""))) {
    const end = at + Array.from(segment).length;
    if (isWordLike) words.push([at, end]);
    at = end;
  }
  return words;
}

// The probability of each word, where it has one: tokens that begin in it, added up.
export function wordProbabilities(words, tokens, side) {
  const sums = new Array(words.length).fill(0);
  let at = 0;
  for (const token of tokens) {
    while (at < words.length && words[at][1] <= token.start) at += 1;
    if (at < words.length && words[at][0] <= token.start) sums[at] += token[side + "_probability"];
  }
  return sums.map((sum) => Math.min(1, sum));
}

// A text as a fragment, with the answer in a <mark>.
// `shade`: {side, words, probabilities}, or null.
export function markedText(characters, answer, shade) {
  const places = new Set([0, characters.length, answer.start, answer.end]);
  for (const [start, end] of shade?.words ?? []) places.add(start).add(end);
  const cuts = [...places].sort((a, b) => a - b);
  const highest = (shade?.probabilities ?? []).reduce((a, b) => Math.max(a, b), 1e-9);
  const pieces = document.createDocumentFragment();
  let mark = null;
  let word = 0;
  for (let i = 0; i + 1 < cuts.length; i += 1) {
    const [start, end] = [cuts[i], cuts[i + 1]];
    const isMarked = answer.start <= start && end <= answer.end;
    if (!isMarked) {
      mark = null;
    } else if (!mark) {
      mark = make("mark");
      pieces.append(mark);
    }
    const piece = make("span", { textContent: characters.slice(start, end).join("") });
    while (shade && word < shade.words.length && shade.words[word][1] <= start) word += 1;
    if (shade && word < shade.words.length && shade.words[word][0] <= start) {
      paint(piece, shade.side, shade.probabilities[word], highest);
    }
    (mark ?? pieces).append(piece);
  }
  return pieces;
}

// Shade a piece by the probability of its word; `highest` is that of the likeliest one.
function paint(piece, side, probability, highest) {
  // Small probabilities, which are most, can still be told apart by their roots.
  const share = Math.sqrt(probability / highest).toFixed(3);
  piece.style.backgroundColor = `rgb(var(--${side}) / calc(${share} * var(--shade)))`;
  piece.title = percent(probability);
}

// An answer with some words around it, as a fragment.
export function snippet(characters, answer) {
  const line = (from, to) => characters.slice(from, to).join("").replace(/\s+/g, " ");
  let before = line(Math.max(0, answer.start - AROUND), answer.start);
  let after = line(answer.end, answer.end + AROUND);
  // Without the parts of words at both ends.
  if (answer.start > AROUND) before = `… ${before.replace(/^\S{0,20}\s/, "")}`;
  if (answer.end + AROUND < characters.length) after = `${after.replace(/\s\S{0,20}$/, "")} …`;
  const pieces = document.createDocumentFragment();
  const mark = make("mark", { textContent: line(answer.start, answer.end) });
  pieces.append(before, mark, after);
  return pieces;
}
