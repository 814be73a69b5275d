// A table of text as lines, and what of them goes in one request.

const LF = 10;
const CR = 13;
// What EmotivPRO writes above the header.
const METADATA = /^title:.*(headset|timestamp|sampling rate).*:/i;

// Those after so many, which each part has. Parts without the line that is repeated have it before theirs.
function inLines(bytes, before = 0, repeatedLine = Infinity) {
  const mark = bytes.includes(LF) ? LF : CR;
  const starts = [0];
  for (let at = bytes.indexOf(mark); at !== -1; at = bytes.indexOf(mark, at + 1)) starts.push(at + 1);
  const start = (line) => starts[line] ?? bytes.length;
  const lines = (from, to) => bytes.subarray(start(from), start(to));
  // A spreadsheet may leave many at the end, and a part of them alone would have no row.
  while (starts.length > before && isBlank(beginning(bytes.subarray(start(starts.length - 1)), HEAD_BYTES))) starts.pop();
  const repeated = (from) => (before + from > repeatedLine ? 1 : 0);
  const place = (number, from) => {
    if (number <= before) return number;
    return repeated(from) && number === before + 1 ? repeatedLine + 1 : number + from - repeated(from);
  };
  return {
    total: Math.max(starts.length - before, 0), unit: "line", repeated,
    part: (from, count) => new Blob([lines(0, before), ...(repeated(from) ? [lines(repeatedLine, repeatedLine + 1)] : []), lines(before + from, before + from + count)]),
    told: (message, from) => message.replace(/\b([Ll]ine) (\d+)\b/g, (_, word, number) => `${word} ${place(Number(number), from)}`),
  };
}

const isBlank = (line) => /^[\s,;]*$/.test(line);
const isComment = (line) => /^\s*[#%]/.test(line);
const headOf = (bytes) => beginning(bytes, HEAD_BYTES).replace(/^ï»¿/, "").split(/\r\n|\r|\n/);

// An export goes whole: a marker in it labels rows up to the next one, which may be in another part.
function inCsv(bytes) {
  const head = headOf(bytes);
  const before = linesBefore(bytes);
  if (METADATA.test(head[0]) || isExport(head[before - 1] ?? "")) return undefined;
  // Where numbers may have decimal commas, each part alone would tell whether they do, and some have none: the first row is
  // in all of them. A line without a digit may be no row.
  const first = head.findIndex((line, at) => at >= before && /\d/.test(line) && !isComment(line));
  const mayHaveCommas = first !== -1 && /[;\t"]/.test(head.slice(0, first + 1).join("\n"));
  return inLines(bytes, before, mayHaveCommas ? first : undefined);
}

// Of EmotivPRO or Mind Monitor.
function isExport(header) {
  const names = header.split(/[,;\t]/).map((name) => name.replace(/^[\s"]+|[\s"]+$/g, ""));
  return names.some((name) => name.startsWith("POW.")) || (names.includes("TimeStamp") && names.includes("Elements"));
}

// Lines up to the header, which each part of a CSV needs: they are empty, comments, or tell the separator.
function linesBefore(bytes) {
  const lines = headOf(bytes);
  let comment;
  let at = /^sep=.\s*$/i.test(lines[0]) ? 1 : 0;
  for (; at < lines.length && (isBlank(lines[at]) || isComment(lines[at])); at++) comment = isBlank(lines[at]) ? comment : lines[at];
  // The last comment is the header where a row of as many cells follows it.
  const isHeader = comment !== undefined && at < lines.length && [",", ";", "\t"].some((mark) => {
    const cells = lines[at].split(mark);
    return cells.length > 1 && cells.length === comment.split(mark).length && cells.some((cell) => /^\s*[+-]?[.,]?\d[\d.,]*(e[+-]?\d+)?\s*$/i.test(cell));
  });
  return isHeader ? at : at + 1;
}
