"use strict";
// What the service answers, and sentences for when it does not.

const PATIENCE = 3;
const JSON_TYPE = "application/json";

class Failure extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
  // Whether the same request may be answered later.
  get passing() {
    return this.status === 0 || this.status === 503;
  }
}

const seconds = (number, signal) => new Promise((resolve, reject) => {
  const timer = setTimeout(resolve, 1000 * number);
  signal?.addEventListener("abort", () => { clearTimeout(timer); reject(signal.reason); }, { once: true });
});

let waits = 0;
function waiting(more, sentence) {
  waits += more;
  if (sentence) document.getElementById("busy").textContent = sentence;
  document.getElementById("busy").hidden = waits === 0;
}

// GET, or POST where there is a body. What is refused for want of room is asked again when the service says so.
async function respond(path, { body, type = JSON_TYPE, signal } = {}) {
  const post = body === undefined ? {} : { method: "POST", headers: { "Content-Type": type }, body };
  for (let attempt = 1; ; attempt++) {
    const response = await fetch(path, { signal, ...post }).catch((error) => {
      throw signal?.aborted ? error : new Failure("The service does not answer. It may be starting, or gone.");
    });
    if (response.status === 503 && attempt <= PATIENCE) {
      const pause = Number(response.headers.get("Retry-After")) || 1;
      waiting(1, `The service is busy; asking again in ${pause} s.`);
      await seconds(pause, signal).finally(() => waiting(-1));
      continue;
    }
    const answer = await response.text().then(parsed).catch((error) => {
      throw signal?.aborted ? error : new Failure(`The service’s answer (${response.status}) is not JSON.`, response.status);
    });
    if (response.ok) return { answer, headers: response.headers };
    throw new Failure(answer.detail ?? `The service answers ${response.status}.`, response.status);
  }
}

// A line number may have more digits than a number here; then it stays text.
const parsed = (text) => JSON.parse(text.replace(/("line":)(-?\d{16,})/g, '$1"$2"'));

const ask = async (path, options) => (await respond(path, options)).answer;

// The rows of a table: of each its features in the models' order, what each model answers by its title (the class and the
// probabilities), line and class where the table has them, and whether it is like the rows of the training, where the models
// can tell. And how the service has read the table, in words.
async function predictTable(type, body, signal) {
  const { answer, headers } = await respond("predict?values=true", { body, type, signal });
  const rows = answer.predictions.map(({ values, line, label, letter: _, familiar, ...answers }) => ({
    values, line, truth: CLASSES.get(label), familiar,
    answers: Object.fromEntries(Object.entries(answers).map(([title, { label: said, probabilities }]) => [title, { said: CLASSES.get(said), probabilities }])),
  }));
  return { rows, readAs: decoded(headers.get("Read-As") ?? "") };
}

// A header has what is not ASCII in percent signs, and may have such a sign of its own.
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

// The models and what they say of all stored rows: asked once, again only if that failed.
let everything;
function overview() {
  everything ??= Promise.all([ask("models"), ask("predictions")]).then(([models, { lines, truth, labels }]) => {
    const titles = models.map(({ title }) => title);
    const places = (column = []) => column.map((label) => CLASSES.get(label));
    return {
      models, titles, lines, truth: places(truth),
      said: Object.fromEntries(titles.map((title) => [title, places(labels[title])])),
      places: new Map(lines.map((line, place) => [line, place])),
    };
  });
  everything.catch(() => { everything = undefined; });
  return everything;
}

// A stored row with its answers. Kept, so that stepping back is at once.
const KEPT = 400;
const kept = new Map();
function storedRow(line) {
  if (!kept.has(line)) {
    if (kept.size >= KEPT) kept.delete(kept.keys().next().value);
    const row = Promise.all([overview(), ask(`line/${line}`)]).then(async ([{ places, truth }, stored]) => {
      const { rows: [row] } = await predictTable(JSON_TYPE, JSON.stringify({ rows: [stored] }));
      return { ...row, truth: truth[places.get(line)] };
    });
    row.catch(() => kept.delete(line));
    kept.set(line, row);
  }
  return kept.get(line);
}
