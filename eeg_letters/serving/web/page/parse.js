// Rows from text: CSV with or without a header, or JSON in any form that rows come in.

const NUMBER = /^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/i;

// What is not a number stays as it is: the service says which value it is and where it stands.
function number(value) {
  if (typeof value !== "string") return value;
  const text = value.trim();
  if (text === "") return null;
  return NUMBER.test(text) && Number.isFinite(Number(text)) ? Number(text) : text;
}

// Rows as { values, line, truth, where }, values in the order of the features; and the columns that were no use.
function parseRows(text) {
  const rows = /^\s*[[{]/.test(text) ? jsonRows(text) : csvRows(text);
  if (rows.length === 0) throw new Failure("There are no rows.", 422);
  const ignored = new Set();
  return { rows: rows.map(({ values, where }, place) => toRow(values, where, place, ignored)), ignored: [...ignored] };
}

// Of values alone, or by their names.
function toRow(values, where, place, ignored = new Set()) {
  if (values instanceof Cells) return fromCells(values, where, place, ignored);
  if (Array.isArray(values)) return { values: values.map(number), where };
  if (typeof values !== "object" || values === null) return { values, where };
  return fromCells(new Cells(Object.keys(values), Object.values(values)), where, place, ignored);
}

// Of a stored row, which the service has read already.
function featuresOf(stored) {
  const cells = Object.values(stored);
  return layoutOf(Object.keys(stored), "The stored row").features.map((at) => number(cells[at]));
}

class Cells {
  constructor(names, cells) {
    this.names = names;
    this.cells = cells;
  }
}

function fromCells({ names, cells }, where, place, ignored) {
  const layout = layoutOf(names, `Row ${place + 1}${where}`);
  if (layout.missing.length) {
    const { missing } = layout;
    throw new Failure(`Row ${place + 1}${where} has no feature${missing.length > 1 ? "s" : ""} ${listed(missing, 6)}${missing.length > 6 ? ` (${whole(missing.length)} of ${whole(SERVED.features.length)})` : ""}.`, 422);
  }
  for (const name of layout.ignored) ignored.add(name);
  const label = cells[layout.label];
  const truth = parseLabel(label, () => `Row ${place + 1}${where}, column ${names[layout.label].trim()}`);
  // A recording without line numbers counts its rows from 0.
  const line = cells[layout.line] ?? (layout.label === undefined ? undefined : place);
  return { values: layout.features.map((at) => number(cells[at])), where, line: line === undefined ? undefined : String(line).trim(), truth };
}

// Which column is what. Kept, for rows have the same columns as the one before.
let lastLayout = {};
function layoutOf(columns, where) {
  const key = columns.join("\0");
  if (lastLayout.key === key) return lastLayout;
  const names = columns.map((name) => name.trim());
  const duplicate = repeated(names);
  if (duplicate !== undefined) throw new Failure(`${where}: duplicate column ${duplicate}.`, 422);
  const exact = new Map(names.map((name, at) => [name, at]));
  // Upper and lower case count only where both are there.
  const folded = new Map(names.map((name, at) => [name.toLowerCase(), at]));
  const features = SERVED.features.map((name) => exact.get(name) ?? folded.get(name.toLowerCase()));
  const free = (name) => (features.includes(exact.get(name)) ? undefined : exact.get(name));
  const line = free(SERVED.lineColumn);
  const label = SERVED.labelColumns.map(free).find((at) => at !== undefined);
  const used = new Set([...features, line, label]);
  lastLayout = {
    key, features, line, label,
    missing: SERVED.features.filter((_, at) => features[at] === undefined),
    ignored: names.filter((_, at) => !used.has(at)),
  };
  return lastLayout;
}

// The class that a label stands for, as a recording is read; undefined where there is none.
const LABELS = new Map(SERVED.names.map((name, place) => [name, place]));
function parseLabel(label, where) {
  if (label === undefined || label === null || (typeof label === "string" && !label.trim())) return undefined;
  const text = String(label).trim();
  const place = typeof label === "object" || typeof label === "boolean" ? undefined : classOf(text);
  if (place !== undefined) return place;
  const wanted = SERVED.areLetters ? `not a letter (0 is A, ${NAMES.length - 1} is ${NAMES.at(-1)})` : `none of the ${whole(NAMES.length)} classes: ${listed(NAMES)}`;
  throw new Failure(`${where()}: “${shortened(text, 80)}” is ${wanted}.`, 422);
}

function classOf(text) {
  if (LABELS.has(text)) return LABELS.get(text);
  if (!NUMBER.test(text)) return undefined;
  // As a recording may have them: 769.0, +769, 0769. A BigInt, for the last digits of a long one count.
  const digits = /^[+-]?\d+$/.test(text) ? BigInt(text.replace("+", "")) : Number.isInteger(Number(text)) ? BigInt(Number(text)) : undefined;
  if (digits === undefined) return undefined;
  if (SERVED.areLetters) return digits >= 0n && digits < BigInt(NAMES.length) ? Number(digits) : undefined;
  return typeof SERVED.labels[0] === "number" ? LABELS.get(String(digits)) : undefined;
}

function repeated(names) {
  const seen = new Set();
  return names.find((name) => seen.size === seen.add(name).size);
}

function csvRows(text) {
  const lines = text.split(/\r\n|\r|\n/).map((line, at) => ({ line, where: `, line ${at + 1} of the text` })).filter(({ line }) => line.trim());
  if (lines.length === 0) return [];
  // The comma last: between tabs and semicolons it is a decimal one.
  const between = ["\t", ";", ","].find((mark) => lines[0].line.includes(mark));
  const first = cellsOf(lines[0].line, between);
  if (!isHeader(first)) {
    // Without a header, two columns more than features are those of a recording.
    const columns = [SERVED.lineColumn, SERVED.labelColumns[0], ...SERVED.features];
    return lines.map(({ line, where }) => {
      const values = cellsOf(line, between);
      return { values: values.length === columns.length ? new Cells(columns, values) : values, where };
    });
  }
  const duplicate = repeated(first);
  if (duplicate !== undefined) throw new Failure(`Duplicate column ${duplicate} in the header.`, 422);
  const { missing } = layoutOf(first, "The header");
  if (missing.length) throw new Failure(`The header has no column${missing.length > 1 ? "s" : ""} ${listed(missing)}${missing.length > 12 ? ` (${whole(missing.length)} of ${whole(SERVED.features.length)} features)` : ""}.`, 422);
  return lines.slice(1).map(({ line, where }, place) => {
    const values = cellsOf(line, between);
    if (values.length !== first.length) {
      throw new Failure(`Row ${place + 1}${where} has ${values.length} values; the header has ${first.length} columns.`, 422);
    }
    return { values: new Cells(first, values), where };
  });
}

// A feature may have a number for a name, and a row of numbers is none of names. Without any number it is no row.
function isHeader(cells) {
  const names = [SERVED.lineColumn, ...SERVED.labelColumns, ...SERVED.features];
  const known = new Set(names.map((name) => name.toLowerCase()));
  const there = new Set(cells.map((cell) => cell.toLowerCase()));
  if (!cells.some((cell) => /^[+-]?[.,]?\d/.test(cell))) return true;
  return cells.some((cell) => known.has(cell.toLowerCase()) && !NUMBER.test(cell)) || SERVED.features.every((name) => there.has(name.toLowerCase()));
}

// Cells between tabs, semicolons, commas, or blanks where there is none of them; within quotes these are text.
function cellsOf(line, between) {
  if (!line.includes('"')) return line.trim().length === 0 ? [] : (between ? line : line.trim()).split(between ?? /\s+/).map((cell) => cell.trim());
  const cells = [""];
  let quoted = false;
  for (let at = 0; at < line.length; at++) {
    const sign = line[at];
    const last = cells.length - 1;
    if (sign === '"' && quoted && line[at + 1] === '"') cells[last] += line[++at];
    else if (sign === '"' && (quoted || !cells[last].trim())) quoted = !quoted;
    else if (!quoted && (between ? sign === between : /\s/.test(sign))) cells.push("");
    else cells[last] += sign;
  }
  return cells.map((cell) => cell.trim()).filter((cell) => between || cell);
}

function jsonRows(text) {
  const whole = parsed(text);
  if (whole !== undefined) return rowsOf(whole, "");
  const lines = text.split("\n").map((line, at) => ({ line: line.trim(), where: `, line ${at + 1} of the text` })).filter(({ line }) => line);
  const each = lines.map(({ line }) => parsed(line));
  const bad = each.indexOf(undefined);
  if (bad === -1) return each.flatMap((value, at) => rowsOf(value, lines[at].where));
  if (bad > 0) throw new Failure(`Row ${bad + 1}${lines[bad].where} is not JSON.`, 422);
  throw new NotJSON(text);
}

// The service says better than the browser what is wrong with it.
class NotJSON extends Failure {
  constructor(text) {
    super("The text is not JSON.", 400);
    const rows = /^\s*\{\s*"rows"/.test(text) ? text : /^\s*\[\s*[[{]/.test(text) ? `{"rows":${text}}` : `{"rows":[${text}]}`;
    this.body = rows;
  }
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function rowsOf(value, where) {
  const as = (values) => ({ values, where });
  if (Array.isArray(value)) return value.length && value.every((part) => typeof part !== "object" || part === null) ? [as(value)] : value.map(as);
  if (typeof value !== "object" || value === null) return [as(value)];
  if (Array.isArray(value.rows)) return value.rows.map(as);
  const parts = Object.values(value);
  if (parts.length && parts.every((part) => typeof part === "object" && part !== null && !Array.isArray(part))) {
    return Object.entries(value).map(([line, values]) => as({ [SERVED.lineColumn]: line, ...values }));
  }
  return [as(value)];
}
