// A table of text as lines, and what of them goes in one request.

const LF = 10;
const CR = 13;

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
