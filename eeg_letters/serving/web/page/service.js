"use strict";
// What the service answers, and sentences for when it does not.

const PATIENCE = 3;
const JSON_TYPE = "application/json";

class Failure extends Error {
  constructor(message, status = 0, wait = 0) {
    super(message);
    this.status = status;
    this.wait = wait;  // Seconds, where the service says when to ask again.
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

// GET, or POST where there is a body. What is refused for want of room is asked again when the service says so, some times.
async function respond(path, { body, type = JSON_TYPE, signal, token, patience = PATIENCE } = {}) {
  const post = body === undefined ? {} : { method: "POST", body };
  const headers = { ...(body === undefined ? {} : { "Content-Type": type }), ...(token ? { Authorization: `Bearer ${token}` } : {}) };
  for (let attempt = 1; ; attempt++) {
    const response = await fetch(path, { signal, headers, ...post }).catch((error) => {
      throw signal?.aborted ? error : new Failure("The service does not answer. It may be starting, or gone.");
    });
    const pause = Number(response.headers.get("Retry-After")) || 1;
    if (response.status === 503 && attempt <= patience) {
      waiting(1, `The service is busy; asking again in ${pause} s.`);
      await seconds(pause, signal).finally(() => waiting(-1));
      continue;
    }
    const answer = await response.text().then(parsed).catch((error) => {
      throw signal?.aborted ? error : new Failure(`The service’s answer (${response.status}) is not JSON.`, response.status);
    });
    if (response.ok) return { answer, headers: response.headers };
    throw new Failure(answer.detail ?? `The service answers ${response.status}.`, response.status, pause);
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

// Asked once, again only if that failed.
function once(work) {
  let answer;
  return () => {
    answer ??= work();
    answer.catch(() => { answer = undefined; });
    return answer;
  };
}

const models = once(() => ask("models"));

// What is asked of a recording by its name, or of the service's own, which has none.
const OWN = "";
const pathOf = (recording, what) => (recording === OWN ? what : `recordings/${recording}/${what}`);

// The models and what they say of stored rows: of all, or where the recording is longer than one answer, of those after a
// line; then "next" is the last of them.
async function rowsOf(recording, after, signal) {
  const path = pathOf(recording, after === undefined ? "predictions" : `predictions?after=${after}`);
  const [facts, { lines, truth, labels, next }] = await Promise.all([models(), ask(path, { signal })]);
  const titles = facts.map(({ title }) => title);
  const places = (column = []) => column.map((label) => CLASSES.get(label));
  return {
    models: facts, titles, recording, after, next, lines, truth: places(truth),
    said: Object.fromEntries(titles.map((title) => [title, places(labels[title])])),
    places: new Map(lines.map((line, place) => [line, place])),
  };
}

// Those of the service's own.
const overview = once(() => rowsOf(OWN));

// A stored row with its answers. Kept, so that stepping back is at once.
const KEPT = 400;
const kept = new Map();
function storedRow(line, { recording, places, truth }) {
  const key = `${recording} ${line}`;
  if (!kept.has(key)) {
    if (kept.size >= KEPT) kept.delete(kept.keys().next().value);
    const row = ask(pathOf(recording, `line/${line}`)).then(async (stored) => {
      const { rows: [row] } = await predictTable(JSON_TYPE, JSON.stringify({ rows: [stored] }));
      return { ...row, truth: truth[places.get(line)] };
    });
    row.catch(() => kept.delete(key));
    kept.set(key, row);
  }
  return kept.get(key);
}
