// Requests to the server. Whatever goes wrong is a Refusal with a code.

import { recall, remember } from "./dom.js";

export class Refusal extends Error {
  constructor(code, parameters = {}, message = code) {
    super(message);
    this.code = code;
    this.parameters = parameters;
  }
}

// Kept for this tab only.
let key = recall("sessionStorage", "key") ?? "";

export function setKey(given) {
  key = given;
  remember("sessionStorage", "key", given);
}

export const get = (path) => call(path, {});
export const post = (path, body) => send(path, "application/json", JSON.stringify(body));

export function send(path, type, body) {
  return call(path, { method: "POST", headers: { "content-type": type }, body });
}

async function call(path, options) {
  // A header takes ASCII only, and no key holds anything else.
  if (!/^[\x21-\x7e]*$/.test(key)) throw new Refusal("key_wrong", {}, "The key is wrong.");
  const headers = { ...options.headers, ...(key ? { "x-api-key": key } : {}) };
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch {
    throw new Refusal("unreachable");
  }
  let result;
  try {
    result = await response.json();
  } catch {
    throw new Refusal("unexpected", { status: String(response.status) });
  }
  if (!response.ok) throw new Refusal(result.code, result.parameters, result.error);
  return result;
}
