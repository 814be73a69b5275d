// A file as it comes: its bytes, and the text that they are.

const LARGEST_FILE = 64 * 1024 * 1024;
const BATCH = "“python -m eeg_letters.batch” takes files of any size.";
// By a file's first bytes.
const NOT_TAKEN = [
  ["BZh", "is compressed by bzip2, which this page does not take: unpack it first."],
  ["\x28\xb5\x2f\xfd", "is compressed by zstd, which this page does not take: unpack it first."],
  ["PK\x03\x04", "is a ZIP archive or an Excel file: unpack it, or save its table as CSV."],
  ["PAR1", "is Parquet, which this page does not take; “python -m eeg_letters.batch” does."],
  ["ARROW1", "is Feather, which this page does not take; “python -m eeg_letters.batch” does."],
  // With its padding, or a CSV whose first column is FEA1 would be one.
  ["FEA1\0", "is Feather, which this page does not take; “python -m eeg_letters.batch” does."],
];

const beginning = (bytes, most) => new TextDecoder("latin1").decode(bytes.subarray(0, most));

// By a byte order mark, or a first letter of ASCII that has a NUL beside it.
function encodingOf(bytes) {
  const mark = beginning(bytes, 4);
  // First, for one of them begins with the mark of UTF-16.
  if (mark === "\xff\xfe\0\0") return "utf-32le";
  if (mark === "\0\0\xfe\xff") return "utf-32be";
  const [first, second] = bytes;
  if ((first === 0xff && second === 0xfe) || second === 0) return "utf-16le";
  return (first === 0xfe && second === 0xff) || first === 0 ? "utf-16be" : "utf-8";
}

function asText(bytes, most) {
  const encoding = encodingOf(bytes);
  const some = bytes.subarray(0, most);
  return encoding.startsWith("utf-32") ? ofUtf32(some.subarray(4), encoding === "utf-32le") : new TextDecoder(encoding).decode(some);
}

const asBytes = (text) => new TextEncoder().encode(text);

// Which no browser decodes.
function ofUtf32(bytes, isLittle) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const texts = [];
  // A function takes only so many arguments.
  for (let start = 0; start < bytes.length; start += 4 * 4096) {
    const codes = [];
    for (let at = start; at < Math.min(start + 4 * 4096, bytes.length); at += 4) {
      const code = at + 4 > bytes.length ? Infinity : view.getUint32(at, isLittle);
      codes.push(code > 0x10ffff ? 0xfffd : code);
    }
    texts.push(String.fromCodePoint(...codes));
  }
  return texts.join("");
}

// A file's bytes, unpacked if they are gzip: what is to be cut at line ends must have them.
async function bytesOf(file) {
  checkSize(file.name, file.size);
  const bytes = new Uint8Array(await file.arrayBuffer().catch(() => { throw new Failure(`${file.name} cannot be read.`, 400); }));
  const start = beginning(bytes, 6);
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
