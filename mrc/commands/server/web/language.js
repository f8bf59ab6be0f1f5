// The language of the page, and the languages of texts.

import { $, recall, remember } from "./dom.js";
import { TEXTS } from "./texts.js";

let language = "en";
const listeners = [];

// A text of the page, with {names} filled in.
export function t(key, values = {}) {
  return fill(TEXTS[language][key], values);
}

// The name of a language, such as "ko".
export function languageName(code) {
  return TEXTS[language].languages[code];
}

// An error in the page's language; a server's error that has no text here is told in its own words.
export function errorText({ code, parameters, message }) {
  const text = TEXTS[language].errors[code];
  if (!text) return message.charAt(0).toUpperCase() + message.slice(1);
  const field = TEXTS[language].fields[parameters.field] ?? parameters.field;
  return fill(text, { ...parameters, field });
}

export function number(value) {
  return new Intl.NumberFormat(language).format(value);
}

export function percent(score) {
  const digits = { minimumFractionDigits: 1, maximumFractionDigits: 1 };
  return new Intl.NumberFormat(language, { style: "percent", ...digits }).format(score);
}

// What a text is written in, for the right font and the right voice of a screen reader.
export function languageOf(text) {
  if (/[\uac00-\ud7a3]/.test(text)) return "ko";
  if (/[\u3040-\u30ff]/.test(text)) return "ja";
  if (/[\u4e00-\u9fff]/.test(text)) return "zh";
  if (/[\u0400-\u04ff]/.test(text)) return "ru";
  return /[ăđơưạ-ỹ]/i.test(text) ? "vi" : "en";
}

export function pageLanguage() {
  return language;
}

// `listener` is called whenever the language changes.
export function startLanguage(listener) {
  listeners.push(listener);
  const wanted = recall("localStorage", "language");
  setLanguage(wanted in TEXTS ? wanted : browserLanguage());
  for (const name of Object.keys(TEXTS)) {
    $("to-" + name).addEventListener("click", () => {
      setLanguage(name);
      remember("localStorage", "language", name);
    });
  }
}

function browserLanguage() {
  return navigator.language.startsWith("ko") ? "ko" : "en";
}

function setLanguage(to) {
  language = to;
  document.documentElement.lang = to;
  document.title = t("title");
  for (const element of document.querySelectorAll("[data-t]")) {
    element.textContent = t(element.dataset.t);
  }
  for (const element of document.querySelectorAll("[data-label]")) {
    element.setAttribute("aria-label", t(element.dataset.label));
  }
  for (const name of Object.keys(TEXTS)) {
    $("to-" + name).setAttribute("aria-pressed", String(name === to));
  }
  for (const listener of listeners) listener();
}

function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (_, name) => {
    const value = values[name];
    return typeof value === "number" ? number(value) : String(value ?? "");
  });
}
