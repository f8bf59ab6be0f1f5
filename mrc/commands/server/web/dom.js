// Elements of the page: found by id, or made. Texts always go in as text, never as markup.

export const $ = (id) => document.getElementById(id);

// make("p", { className: "hint" }, "text", otherElement)
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-")) element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}

// A value that outlives a reload of this tab, or this visit; private windows may forbid both.
export function recall(storage, name) {
  try {
    return JSON.parse(window[storage].getItem(name));
  } catch {
    return null;
  }
}

export function remember(storage, name, value) {
  try {
    window[storage].setItem(name, JSON.stringify(value));
  } catch {
    // Too large, or forbidden: the page works without.
  }
}
