// Rows over one WebSocket, and their answers in the same order. Where it is lost, rows without an answer are sent again over
// the next one.

const SOONEST = 1;  // Seconds until the next one is tried, at most; twice as many each time without an answer.
const LATEST = 8;
// With these the service refuses what it was sent, which another connection would not change.
const REFUSING = new Set([1002, 1003, 1007, 1009]);

// A row has its number, by which its answer is known, and what is sent of it. answered(row, answer, ms): each row once, in
// order. told(sentence, isOver): of the connection, nothing where all is well; whether it is given up.
function makeStream(address, { answered, told }) {
  const unanswered = [];
  let socket;
  let timer;
  let attempts = 0;
  let hasOpened;
  let isLeaving = false;
  const isOpen = () => socket?.readyState === WebSocket.OPEN;

  function open() {
    if (socket || timer) return;
    hasOpened = false;
    const opened = (socket = new WebSocket(address));
    const isThis = (handle) => (event) => { if (socket === opened) handle(event); };
    opened.addEventListener("open", isThis(() => {
      hasOpened = true;
      unanswered.forEach(write);
      told("");
    }));
    opened.addEventListener("message", isThis(({ data }) => take(JSON.parse(data))));
    opened.addEventListener("close", isThis(lose));
  }

  function write(row) {
    row.sent = performance.now();
    socket.send(JSON.stringify({ id: row.number, row: row.given }));
  }

  function take(answer) {
    if (answer.id !== unanswered[0]?.number) return;
    attempts = 0;
    const row = unanswered.shift();
    answered(row, answer, performance.now() - row.sent);
    if (isLeaving && !unanswered.length) close();
  }

  function lose({ code, reason }) {
    socket = undefined;
    if (REFUSING.has(code)) {
      told(`The service has ended the stream with code ${code}${reason ? `: ${reason}` : ""}.`, true);
      return;
    }
    // Who was connected to a service that ends should not all come back at once.
    const pause = Math.min(SOONEST * 2 ** attempts, LATEST) * (1 + Math.random()) / 2;
    attempts += 1;
    const again = `Connecting again in ${pause.toFixed(1)} s.`;
    if (code === 1012) told(`The service restarts. ${again}`);
    else if (hasOpened) told(`The connection is lost. ${again}`);
    else told(`The service opens no stream: it is starting or gone, as many are open as may be, or a proxy lets none through. ${again}`);
    timer = setTimeout(() => {
      timer = undefined;
      open();
    }, 1000 * pause);
  }

  function close() {
    clearTimeout(timer);
    timer = undefined;
    socket?.close();
    socket = undefined;
  }

  return {
    connect() {
      isLeaving = false;
      open();
    },
    get isOpen() { return isOpen(); },
    get waiting() { return unanswered.length; },
    send(row) {
      unanswered.push(row);
      if (isOpen()) write(row);
    },
    // Once the rows that are sent are answered.
    leave() {
      isLeaving = true;
      if (!isOpen() || !unanswered.length) close();
    },
    close,
  };
}
