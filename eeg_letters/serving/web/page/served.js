"use strict";
// What the service serves: the features of a row and the classes of an answer. A class is known by its place in the order
// of the probabilities, and shown by its name, which may be any text of any length.

const SERVED = {served};

const NAMES = SERVED.names;
const CLASSES = new Map(SERVED.labels.map((label, place) => [label, place]));
// Those that a row or a model can have: of letters there are always 26.
const SHOWN = SERVED.shown;
const LONGEST = Math.max(...SHOWN.map((place) => NAMES[place].length));
const COUNTED = `${SHOWN.length.toLocaleString("en")} ${SHOWN.length === 1 ? SERVED.noun : SERVED.nouns}`;
const NO_ROWS = "There are no stored rows: the service was started without a recording that fits its models. EEG_TEST_DATA names one.";

// A name that takes the place of so many signs at most; its end often tells more than its middle.
function shortened(name, most) {
  const signs = [...name];
  if (signs.length <= most) return name;
  const end = Math.floor((most - 1) / 3);
  return `${signs.slice(0, most - 1 - end).join("")}…${end ? signs.slice(-end).join("") : ""}`;
}

// For places of a few signs: without the words that all long names begin with, for these tell nothing.
const SHORT = (() => {
  const names = SHOWN.map((place) => NAMES[place]);
  let same = 0;
  while (names.length > 1 && same < names[0].length && names.every((name) => name[same] === names[0][same])) same += 1;
  const start = names[0].slice(0, same).search(/[\p{L}\p{N}]*$/u);
  return LONGEST > 16 && start > 4 ? NAMES.map((name) => (name.startsWith(names[0].slice(0, start)) ? `…${name.slice(start)}` : name)) : NAMES;
})();

// The first few of many, with commas between them.
function listed(names, most = 12, signs = 24) {
  const shown = names.slice(0, most).map((name) => shortened(name, signs)).join(", ");
  return names.length > most ? `${shown}, …` : shown;
}

const joined = (parts) => (parts.length < 2 ? parts.join("") : `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}`);

function describeServed() {
  const all = SERVED.areLetters && SHOWN.length === NAMES.length;
  return `${SERVED.described}, ${COUNTED}${all ? "" : `: ${listed(SHOWN.map((place) => SHORT[place]), 8)}`}`;
}
