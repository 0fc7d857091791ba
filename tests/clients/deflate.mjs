// The receiver of the deflate check in JavaScript. The same file runs in Node, Chromium and Firefox.
// A report is an object: `open` contains the negotiated extensions, `done` the received messages.

const MARK = 500; // the same as in corpus.py

const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

// SHA-256 over the previous digest, the length (4 bytes, big-endian) and the bytes. Digests are
// promises, so `add` only appends to the queue.
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

// Adds binary and text messages to separate digests, until an empty message of each kind arrives.
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

// Subscribes with the SDK and adds the field `text` of each publication to the digest, until `last`
// is set. `messages` is the number of WebSocket messages that contained the publications.
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
