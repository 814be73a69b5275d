// Elements, numbers as text, and messages in their places.

const $ = (id) => document.getElementById(id);
const percent = (share) => `${(100 * share).toFixed(1)}\u00a0%`;
const whole = (number) => number.toLocaleString("en");
const power = (value) => (value === 0 ? "0" : Math.abs(value) < 0.001 || Math.abs(value) >= 1e5 ? value.toExponential(1) : Number(value.toPrecision(3)).toString());
const capital = (word) => word[0].toUpperCase() + word.slice(1);
// To the second, where the browser is.
const localTime = (time) => new Date(time).toLocaleString("sv");
const plural = (number, one, many = `${one}s`) => `${whole(number)} ${number === 1 ? one : many}`;

// Attributes; "text", event handlers ("onclick") and styles ("--x") as well.
function make(tag, attributes = {}, ...children) {
  const [name, space] = tag.split(":").reverse();
  const element = space ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key.startsWith("--")) element.style.setProperty(key, value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

function say(sentence) {
  $("said").textContent = sentence;
}

// Does the work; a failure is told in its place, with a way to try again where that may help.
// What is under way for the same place is given up.
const underWay = {};
async function inPlace(id, work) {
  underWay[id]?.abort();
  const { signal } = (underWay[id] = new AbortController());
  $(id).replaceChildren();
  try {
    return await work(signal);
  } catch (failure) {
    if (signal.aborted) return undefined;
    if (!(failure instanceof Failure)) throw failure;
    const again = make("button", { type: "button", onclick: () => inPlace(id, work) }, "Try again");
    $(id).replaceChildren(make("p", {}, failure.message), ...(failure.passing ? [again] : []));
    return undefined;
  }
}

// Until the signal, where there is one.
const onTheme = (redraw, signal) => matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw, { signal });

function colour(name) {
  const [red, green, blue] = getComputedStyle(document.documentElement).getPropertyValue(name).trim().slice(1).match(/../g).map((part) => parseInt(part, 16));
  return [red, green, blue];
}
