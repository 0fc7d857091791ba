// `ws` (npm) on /raw. Arguments: raw URL, control URL.
import { createRequire } from "node:module";

const require = createRequire(`${process.env.NODE_TOOLS}/package.json`);
const { WebSocket } = require("ws");
const [url, control] = process.argv.slice(2);
const WAIT_MS = 15_000;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function until(condition, what) {
  const deadline = Date.now() + WAIT_MS;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`waited ${WAIT_MS} ms for ${what()}`);
    await sleep(5);
  }
}

async function ask(path, body) {
  const answer = await fetch(control + path, { method: "POST", body });
  if (!answer.ok) throw new Error(`${path}: ${await answer.text()}`);
  return answer.json();
}

function expect(holds, what) {
  if (!holds) throw new Error(what);
}

// Opens /raw for `topics` and records frames, pings and the close code.
async function open(...topics) {
  const query = topics.map((topic) => `topic=${encodeURIComponent(topic)}`).join("&");
  const socket = new WebSocket(`${url}?${query}`);
  const seen = { socket, frames: [], pings: 0, closed: null };
  socket.on("message", (data, binary) => seen.frames.push({ data, binary }));
  socket.on("ping", () => (seen.pings += 1));
  socket.on("close", (code) => (seen.closed = code));
  await new Promise((resolve, reject) => socket.on("open", resolve).on("error", reject));
  socket.on("error", () => {});
  return seen;
}

async function received(seen, count) {
  await until(() => seen.frames.length >= count, () => `${count} frames, got ${seen.frames.length}`);
  expect(seen.frames.length === count, `${seen.frames.length} frames, expected ${count}`);
  return seen.frames;
}

async function identical(topic, payload, binary) {
  const seen = await open(topic);
  await ask(`/publish?topic=${encodeURIComponent(topic)}`, payload);
  const [frame] = await received(seen, 1);
  expect(frame.binary === binary, `binary frame: ${frame.binary}, expected ${binary}`);
  expect(frame.data.equals(payload), `${frame.data.length} bytes differ from ${payload.length} sent`);
  seen.socket.close();
}

async function ends(how, code) {
  const seen = await open("ends");
  await ask(`/restart?how=${how}`);
  await until(() => seen.closed !== null, () => "the close");
  expect(seen.closed === code, `closed with ${seen.closed}, expected ${code}`);
}

const everyByte = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
const unicode = "naïve 日本語 👩‍👩‍👧‍👦 \\ \u2028 \u0000";

const checks = {
  async "1,000 messages in order"() {
    const seen = await open("a", "b");
    await ask("/publish?topic=a&count=1000");
    const frames = await received(seen, 1000);
    frames.forEach(({ data }, n) => expect(String(data) === `{"n":${n}}`, `${n}: ${data}`));
    await ask("/publish?topic=b&count=2");
    await received(seen, 1002);
  },
  "JSON, byte for byte": () => identical("json", Buffer.from(`{ "a" : 1.0, "a": "${"\\u00e9é"}" }`), false),
  "text, byte for byte": () => identical("text:日本", Buffer.from(unicode), false),
  "binary, byte for byte": () => identical("binary:x", everyByte, true),
  "empty text": () => identical("text:empty", Buffer.alloc(0), false),
  "512 KiB of text": () => identical("text:large", Buffer.from("日本語é".repeat(50_000)), false),
  "512 KiB of binary": () => identical("binary:large", Buffer.alloc(524_288, everyByte), true),
  async "pings are answered"() {
    const seen = await open("quiet");
    await until(() => seen.pings >= 3, () => `3 pings, got ${seen.pings}`);
    await sleep(2500); // longer than the pong timeout
    expect(seen.closed === null, `closed with ${seen.closed}`);
  },
  "kill -9 closes with 1006": () => ends("kill", 1006),
  "a drain closes with 3001": () => ends("drain", 3001),
};

let failed = false;
for (const [name, body] of Object.entries(checks)) {
  try {
    await body();
    console.log(`ok ${name}`);
  } catch (fault) {
    failed = true;
    console.log(`not ok ${name}: ${fault.message}`);
  }
}
console.log("done");
process.exit(failed ? 1 : 0);
