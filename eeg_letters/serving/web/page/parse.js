// Rows from text: CSV with or without a header, or JSON in any form that rows come in.

const NUMBER = /^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/i;

// What is not a number stays as it is: the service says which value it is and where it stands.
function number(value) {
  if (typeof value !== "string") return value;
  const text = value.trim();
  if (text === "") return null;
  return NUMBER.test(text) && Number.isFinite(Number(text)) ? Number(text) : text;
}

// Rows as { values, line, truth, where }; values are a list, or an object where a name is missing or unknown.
function parseRows(text, features) {
  const rows = /^\s*[[{]/.test(text) ? jsonRows(text) : csvRows(text, features);
  if (rows.length === 0) throw new Failure("There are no rows.", 422);
  return rows.map(({ values, where }, place) => toRow(values, where, place, features));
}

function toRow(values, where, place, features) {
  if (Array.isArray(values)) return { values: values.map(number), where, ...lineAndTruth({}, where, place) };
  if (typeof values !== "object" || values === null) return { values, where };
  const names = Object.keys(values).map((name) => name.trim());
  const named = new Map(Object.values(values).map((value, at) => [names[at], value]));
  if (named.size !== names.length) throw new Failure(`Row ${place + 1}${where}: duplicate column ${repeated(names)}.`, 422);
  const rest = lineAndTruth({ line: named.get(LINE_COLUMN), letter: named.get(LETTER_COLUMN) }, where, place);
  named.delete(LINE_COLUMN);
  named.delete(LETTER_COLUMN);
  const complete = named.size === features.length && features.every((name) => named.has(name));
  const sent = complete ? features.map((name) => number(named.get(name))) : Object.fromEntries([...named].map(([name, value]) => [name, number(value)]));
  return { values: sent, where, ...rest };
}

function lineAndTruth({ line, letter }, where, place) {
  const truth = number(letter);
  if (truth !== undefined && truth !== null && !(Number.isInteger(truth) && LETTERS[truth])) {
    throw new Failure(`Row ${place + 1}${where}, column ${LETTER_COLUMN}: “${letter}” is not a letter (0 is A, 25 is Z).`, 422);
  }
  return { line: line === undefined ? undefined : String(line).trim(), truth: truth ?? undefined };
}

function repeated(names) {
  const seen = new Set();
  return names.find((name) => seen.size === seen.add(name).size);
}

function csvRows(text, features) {
  const lines = text.split(/\r\n|\r|\n/).map((line, at) => ({ line, where: `, line ${at + 1} of the text` })).filter(({ line }) => line.trim());
  if (lines.length === 0) return [];
  // The comma last: between tabs and semicolons it is a decimal one.
  const between = ["\t", ";", ","].find((mark) => lines[0].line.includes(mark)) ?? /\s+/;
  const cells = ({ line }) => line.trim().split(between).map((cell) => cell.trim().replace(/^"(.*)"$/, "$1").trim());
  const first = cells(lines[0]);
  if (!first.some((cell) => features.includes(cell) || cell === LETTER_COLUMN)) {
    // Without a header, 162 columns are those of a recording.
    const columns = [LINE_COLUMN, LETTER_COLUMN, ...features];
    return lines.map((line) => {
      const values = cells(line);
      const full = values.length === columns.length;
      return { values: full ? Object.fromEntries(columns.map((name, at) => [name, values[at]])) : values, where: line.where };
    });
  }
  const duplicate = repeated(first);
  if (duplicate !== undefined) throw new Failure(`Duplicate column ${duplicate} in the header.`, 422);
  return lines.slice(1).map((line, place) => {
    const values = cells(line);
    if (values.length !== first.length) {
      throw new Failure(`Row ${place + 1}${line.where} has ${values.length} values; the header has ${first.length} columns.`, 422);
    }
    return { values: Object.fromEntries(first.map((name, at) => [name, values[at]])), where: line.where };
  });
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
  const as = (values, place) => ({ values, where });
  if (Array.isArray(value)) return value.length && value.every((part) => typeof part !== "object" || part === null) ? [as(value)] : value.map(as);
  if (typeof value !== "object" || value === null) return [as(value)];
  if (Array.isArray(value.rows)) return value.rows.map(as);
  const parts = Object.values(value);
  if (parts.length && parts.every((part) => typeof part === "object" && part !== null && !Array.isArray(part))) {
    return Object.entries(value).map(([line, values]) => as({ [LINE_COLUMN]: line, ...values }));
  }
  return [as(value)];
}
