// A table as it comes: of what kind its bytes are, and which of them go in one request. What is in it, the service reads.

const LARGEST_FILE = 64 * 1024 * 1024;
const BATCH = "“python -m eeg_letters.batch” takes files of any size.";
const CSV = "text/csv";
const JSON_LINES = "application/x-ndjson";
// By a file's first bytes.
const NOT_TAKEN = [
  ["BZh", "is compressed by bzip2, which this page does not take: unpack it first."],
  ["\x28\xb5\x2f\xfd", "is compressed by zstd, which this page does not take: unpack it first."],
  ["PK\x03\x04", "is a ZIP archive or an Excel file: unpack it, or save its table as CSV."],
  ["PAR1", "is Parquet, which this page does not take; “python -m eeg_letters.batch” does."],
];
// What may stand before the rows is looked for in so many bytes.
const HEAD_BYTES = 256 * 1024;
const LF = 10;
const CR = 13;

const beginning = (bytes, most) => new TextDecoder("latin1").decode(bytes.subarray(0, most));

// By a byte order mark, or a first letter of ASCII that has a NUL beside it.
function encodingOf([first, second]) {
  if ((first === 0xff && second === 0xfe) || second === 0) return "utf-16le";
  return (first === 0xfe && second === 0xff) || first === 0 ? "utf-16be" : "utf-8";
}

const asText = (bytes, most) => new TextDecoder(encodingOf(bytes)).decode(bytes.subarray(0, most));
const asBytes = (text) => new TextEncoder().encode(text);

// A file's bytes, unpacked if they are gzip: what is to be cut at line ends must have them.
async function bytesOf(file) {
  checkSize(file.name, file.size);
  const bytes = new Uint8Array(await file.arrayBuffer().catch(() => { throw new Failure(`${file.name} cannot be read.`, 400); }));
  const start = beginning(bytes, 4);
  const other = NOT_TAKEN.find(([magic]) => start.startsWith(magic));
  if (other) throw new Failure(`${file.name} ${other[1]}`, 415);
  return bytes[0] === 0x1f && bytes[1] === 0x8b ? unpacked(file.name, bytes) : bytes;
}

async function unpacked(name, bytes) {
  const parts = [];
  let size = 0;
  const reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip")).getReader();
  for (;;) {
    const { done, value } = await reader.read().catch(() => { throw new Failure(`${name} cannot be unpacked here: it is damaged, or has several parts; unpack it first.`, 400); });
    if (done) return new Uint8Array(await new Blob(parts).arrayBuffer());
    parts.push(value);
    size += value.length;
    if (size > LARGEST_FILE) await reader.cancel();
    checkSize(name, size);
  }
}

function checkSize(name, size) {
  if (size <= LARGEST_FILE) return;
  throw new Failure(`${name} has more than ${whole(Math.round(LARGEST_FILE / 1e6))} MB, the most that this page takes. ${BATCH}`, 413);
}

// { type, total, unit, part(from, count), told(message, from) }: its media type; of how many lines or rows it is, without a
// unit where it goes whole; the body of a request for some of them; and what the service says of that request, in the
// numbers of the table. A table for one request goes as it is.
function tableOf(bytes) {
  const type = typeOf(bytes);
  // At line ends only text of one byte a sign can be cut.
  const plain = encodingOf(bytes) === "utf-8" ? bytes : asBytes(asText(bytes));
  const cut = type === JSON_TYPE ? inRows(plain) : inLines(plain, type === CSV ? linesBefore(plain) : 0);
  return { total: 1, told: (message) => message, ...cut, type, part: (from, count) => (count >= (cut?.total ?? 1) ? bytes : cut.part(from, count)) };
}

function typeOf(bytes) {
  if (!/^\s*[[{]/.test(asText(bytes, HEAD_BYTES))) return CSV;
  const text = asText(bytes).trimStart();
  // In one document no value follows another without a comma.
  const end = text.indexOf("\n");
  const follows = end !== -1 && "]}".includes(text.slice(0, end).trimEnd().at(-1)) && "[{".includes(text.slice(end).trimStart()[0]);
  return follows ? JSON_LINES : JSON_TYPE;
}

function inLines(bytes, before) {
  const mark = bytes.includes(LF) ? LF : CR;
  const starts = [0];
  for (let at = bytes.indexOf(mark); at !== -1; at = bytes.indexOf(mark, at + 1)) starts.push(at + 1);
  const start = (line) => starts[line] ?? bytes.length;
  // A spreadsheet may leave many at the end, and a part of them alone would have no row.
  while (starts.length > before && isBlank(beginning(bytes.subarray(start(starts.length - 1)), HEAD_BYTES))) starts.pop();
  return {
    total: Math.max(starts.length - before, 0), unit: "line",
    part: (from, count) => new Blob([bytes.subarray(0, start(before)), bytes.subarray(start(before + from), start(before + from + count))]),
    told: (message, from) => message.replace(/\b([Ll]ine) (\d+)\b/g, (_, word, number) => `${word} ${Number(number) + (number > before ? from : 0)}`),
  };
}

const isBlank = (line) => /^[\s,;]*$/.test(line);

// Lines up to the header, which each part of a CSV needs: they are empty, comments, or tell the separator.
function linesBefore(bytes) {
  const lines = beginning(bytes, HEAD_BYTES).replace(/^ï»¿/, "").split(/\r\n|\r|\n/);
  let comment;
  let at = /^sep=.\s*$/i.test(lines[0]) ? 1 : 0;
  for (; at < lines.length && (isBlank(lines[at]) || /^\s*[#%]/.test(lines[at])); at++) comment = isBlank(lines[at]) ? comment : lines[at];
  // The last comment is the header where a row of as many cells follows it.
  const isHeader = comment !== undefined && at < lines.length && [",", ";", "\t"].some((mark) => {
    const cells = lines[at].split(mark);
    return cells.length > 1 && cells.length === comment.split(mark).length && cells.some((cell) => /^\s*[+-]?[.,]?\d[\d.,]*(e[+-]?\d+)?\s*$/i.test(cell));
  });
  return isHeader ? at : at + 1;
}

// A list of rows, or rows by their index; another document goes whole.
function inRows(bytes) {
  const rows = rowsIn(bytes);
  const entries = Object.entries(rows ?? {});
  if (entries.some(([, row]) => typeof row !== "object" || row === null)) return undefined;
  if (Array.isArray(rows)) {
    return {
      total: rows.length, unit: "row", part: (from, count) => JSON.stringify(rows.slice(from, from + count)),
      told: (message, from) => message.replace(/\b([Rr]ow) (\d+)\b/, (_, word, number) => `${word} ${Number(number) + from}`),
    };
  }
  const columns = new Set(SERVED.features.map((name) => name.toLowerCase()));
  if (entries.some(([name, row]) => Array.isArray(row) || columns.has(name.trim().toLowerCase()))) return undefined;
  return { total: entries.length, unit: "row", part: (from, count) => JSON.stringify(Object.fromEntries(entries.slice(from, from + count))) };
}

function rowsIn(bytes) {
  try {
    const value = JSON.parse(asText(bytes));
    return Array.isArray(value.rows) ? value.rows : value;
  } catch {
    return undefined;  // The service says what is wrong with it.
  }
}
