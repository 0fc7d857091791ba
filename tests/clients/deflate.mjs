// The receiving end of the deflate check in JavaScript; the same file runs in Node, Chromium and
// Firefox. Every report is an object; `open` is what was negotiated, `done` what arrived.

const MARK = 500; // as in corpus.py

const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

// SHA-256 over the digest so far, the length (4 bytes, big-endian) and the bytes. Digests are
// promises, so `add` only queues.
export class Chain {
  count = 0;
  digest = new Uint8Array(32);
  marks = [];
  tail = Promise.resolve();

  add(bytes) {
    this.count += 1;
    const mark = this.count % MARK === 0;
    this.tail = this.tail.then(() => this.link(bytes, mark));
  }

  async link(bytes, mark) {
    const input = new Uint8Array(36 + bytes.length);
    input.set(this.digest);
    new DataView(input.buffer).setUint32(32, bytes.length);
    input.set(bytes, 36);
    this.digest = new Uint8Array(await crypto.subtle.digest("SHA-256", input));
    if (mark) this.marks.push(hex(this.digest));
  }

  async report() {
    await this.tail;
    return { count: this.count, digest: hex(this.digest), marks: this.marks };
  }
}

const utf8 = new TextEncoder();

// Chains what comes, binary and text apart, until an empty message of each kind.
export function receive(socket, report, extensions = () => socket.extensions) {
  const chains = { binary: new Chain(), text: new Chain() };
  let open = 2;
  socket.binaryType = "arraybuffer";
  socket.onopen = () => report({ open: extensions() });
  socket.onclose = ({ code, reason }) => report({ fault: `closed with ${code} ${reason}` });
  socket.onmessage = async ({ data }) => {
    const text = typeof data === "string";
    const bytes = text ? utf8.encode(data) : new Uint8Array(data);
    if (bytes.length) return chains[text ? "text" : "binary"].add(bytes);
    if (--open) return null;
    return report({ done: { binary: await chains.binary.report(), text: await chains.text.report() } });
  };
}

// Subscribes with the SDK and chains the field `text` of what is published, until one says `last`.
// `messages` is in how many WebSocket messages it came.
export function bursts({ Centrifuge, WebSocket, url, report }) {
  const chain = new Chain();
  let [messages, disorder, socket] = [0, 0, null];
  class Tap extends WebSocket {
    constructor(...parameters) {
      super(...parameters);
      socket = this;
      this.addEventListener("message", ({ data }) => (messages += String(data).includes('"push"')));
    }
  }
  const client = new Centrifuge(url, { websocket: Tap });
  const subscription = client.newSubscription("bursts");
  subscription.on("subscribed", () => report({ open: socket.extensions }));
  subscription.on("publication", async ({ data: { n, text, last } }) => {
    disorder += n !== chain.count;
    chain.add(utf8.encode(text));
    if (last) report({ done: { bursts: await chain.report(), messages, disorder } });
  });
  client.on("disconnected", ({ code, reason }) => report({ fault: `closed with ${code} ${reason}` }));
  subscription.subscribe();
  client.connect();
}
