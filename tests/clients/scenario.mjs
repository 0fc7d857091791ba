// Checks typical uses of the centrifuge SDK, in the JSON or the Protobuf form. The same file runs in
// Node, Chromium and Firefox. The SDK is unmodified: the WebSocket class that it receives only records
// messages.
import { replies } from "./replies.mjs";

const WAIT_MS = 15_000;
const UNICODE = 'naïve Ωμέγα 日本語 עברית नमस्ते 👩‍👩‍👧‍👦 🏴‍☠️ "quoted" \\ \u2028 \u2029 \u0000 \u001f \ufeff \u{10ffff}';

const LARGE_REPEATS = 4_000; // more than 512 KiB of UTF-8

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function until(condition, what, ms = WAIT_MS) {
  const deadline = Date.now() + ms;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`waited ${ms} ms for ${what()}`);
    await sleep(5);
  }
}

function same(actual, expected, what) {
  const [got, want] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (got !== want) throw new Error(`${what}: got ${clip(got)}, expected ${clip(want)}`);
}

const clip = (text) => (text && text.length > 120 ? `${text.slice(0, 120)}… (${text.length})` : text);
const numbers = (count) => Array.from({ length: count }, (_, n) => ({ n }));

// Runs all checks with the form "json" or "protobuf". Returns whether all of them passed.
export async function run({ Centrifuge, WebSocket, url, control, form, report }) {
  let passed = true;
  // The Protobuf form carries payloads as bytes: JSON text, or the text of a text namespace.
  const encoded = (data) => (form === "protobuf" ? new TextEncoder().encode(JSON.stringify(data)) : data);
  const text = (data) => (form === "protobuf" ? new TextDecoder().decode(data) : data);
  const json = (data) => (form === "protobuf" ? JSON.parse(text(data)) : data);
  const ask = async (path, body) => {
    const answer = await fetch(control + path, { method: "POST", body });
    if (!answer.ok) throw new Error(`${path}: ${await answer.text()}`);
    return answer.json();
  };

  // Opens a client and records its incoming messages and state changes.
  const open = () => {
    const seen = { messages: [], connected: 0, connecting: [], disconnected: [], socket: null };
    class Tap extends WebSocket {
      constructor(...args) {
        super(...args);
        seen.socket = this;
        this.addEventListener("message", ({ data }) => seen.messages.push(data));
      }
    }
    const client = new Centrifuge(url, { websocket: Tap });
    client.on("connected", () => (seen.connected += 1));
    client.on("connecting", ({ code }) => seen.connecting.push(code));
    client.on("disconnected", ({ code }) => seen.disconnected.push(code));
    client.on("error", () => {});
    client.connect();
    return { client, seen };
  };

  // Subscribes and waits for the reply. Publications are decoded and appended to `got`.
  const subscribe = async (client, topic, decode = json) => {
    const subscription = client.newSubscription(topic);
    const state = { subscription, got: [], replies: 0, refused: null };
    subscription.on("publication", ({ data }) => state.got.push(decode(data)));
    subscription.on("subscribed", () => (state.replies += 1));
    subscription.on("unsubscribed", ({ code }) => (state.refused = code));
    subscription.on("error", () => {});
    subscription.subscribe();
    await until(() => state.replies || state.refused !== null, () => `a reply to subscribe ${topic}`);
    return state;
  };

  const received = async (state, expected, what) => {
    await until(() => state.got.length >= expected.length, () => `${what}: ${state.got.length} of ${expected.length}`);
    same(state.got, expected, what);
  };

  const refusal = async (promise) => promise.then(() => "no error", ({ code }) => code);

  const check = async (name, body) => {
    const { client, seen } = open();
    try {
      await until(() => seen.connected, () => "connected");
      await body(client, seen);
      await report(`ok ${name}`);
    } catch (fault) {
      passed = false;
      await report(`not ok ${name}: ${fault.message}`);
    } finally {
      client.disconnect();
    }
  };

  await check("connect", async (client, seen) => {
    same(client.state, "connected", "state");
    same(seen.socket.protocol, form === "protobuf" ? "centrifuge-protobuf" : "", "subprotocol");
  });

  await check("1,000 messages in order", async (client) => {
    const state = await subscribe(client, "orders");
    await ask("/publish?topic=orders&count=1000");
    await ask("/publish?topic=orders", '"last"');
    await received(state, [...numbers(1000), "last"], "publications");
  });

  await check("several topics", async (client) => {
    const topics = ["a", "b", "日本", "with space", "c".repeat(255)];
    const states = await Promise.all(topics.map((topic) => subscribe(client, topic)));
    await Promise.all(topics.map((topic) => ask(`/publish?topic=${encodeURIComponent(topic)}&count=100`)));
    for (const [index, topic] of topics.entries()) await received(states[index], numbers(100), topic);
  });

  await check("no message after unsubscribe", async (client, seen) => {
    const state = await subscribe(client, "busy");
    const marker = await subscribe(client, "marker");
    await ask("/stream?topic=busy&rate=500");
    await until(() => state.got.length >= 50, () => "the stream");
    state.subscription.unsubscribe();
    const all = () => seen.messages.flatMap(replies);
    const replied = () => all().findIndex((reply) => "unsubscribe" in reply);
    await until(() => replied() >= 0, () => "the unsubscribe reply");
    await sleep(200); // about a hundred more publications, to a topic without subscribers
    await ask("/stop");
    await ask("/publish?topic=marker", "1");
    await received(marker, [1], "marker");
    const late = all().slice(replied() + 1).filter((reply) => reply.push?.channel === "busy");
    same(late, [], "after the reply");
  });

  await check("subscribe again after unsubscribe", async (client) => {
    const { subscription, got } = await subscribe(client, "again");
    subscription.unsubscribe();
    subscription.subscribe();
    await subscription.ready(WAIT_MS);
    await ask("/publish?topic=again&count=3");
    await received({ got }, numbers(3), "publications");
  });

  await check("unicode", async (client) => {
    const state = await subscribe(client, "unicode");
    await ask("/publish?topic=unicode", JSON.stringify({ [UNICODE]: UNICODE }));
    await received(state, [{ [UNICODE]: UNICODE }], "payload");
  });

  await check("large payload", async (client) => {
    const large = UNICODE.repeat(LARGE_REPEATS);
    const state = await subscribe(client, "large");
    await ask("/publish?topic=large", JSON.stringify(large));
    await received(state, [large], "payload");
  });

  await check("text namespace", async (client) => {
    const state = await subscribe(client, "text:notes", text);
    await ask("/publish?topic=text:notes", 'not JSON: "\n\t\\ ünï');
    await received(state, ['not JSON: "\n\t\\ ünï'], "payload");
  });

  await check("an invalid topic gets error 107", async (client) => {
    same((await subscribe(client, "bell\u0007")).refused, 107, "control character");
    same((await subscribe(client, "x".repeat(256))).refused, 107, "256 bytes");
  });

  await check("publish gets error 103 unless allowed", async (client) => {
    same(await refusal(client.publish("news", encoded({ no: 1 }))), 103, "publish");
    const state = await subscribe(client, "chat:room");
    same(await refusal(client.publish("chat:room", encoded({ yes: 1 }))), "no error", "publish where allowed");
    await received(state, [{ yes: 1 }], "publication");
  });

  await check("pings are answered", async (client, seen) => {
    const pings = () => seen.messages.flatMap(replies).filter((reply) => reply.ping).length;
    await until(() => pings() >= 3, () => `3 pings, seen ${pings()}`);
    await sleep(2500); // longer than the pong timeout
    same([client.state, seen.connecting.length], ["connected", 1], "after three pings");
  });

  const resumes = async (how, first, seen, state) => {
    const { exit } = await ask(`/restart?how=${how}`);
    await until(() => seen.connected === 2 && state.replies === 2, () => `reconnected ${seen.connected}, subscribed ${state.replies}`, 30_000);
    same(seen.connecting[1], first, "connecting code");
    await ask(`/publish?topic=${how}&count=100`);
    await received(state, numbers(100), "after the restart");
    return exit;
  };

  await check("reconnect and resubscribe after kill -9", async (client, seen) => {
    await resumes("kill", 1, seen, await subscribe(client, "kill"));
  });

  await check("a drain closes with 3001, then reconnect", async (client, seen) => {
    same(await resumes("drain", 3001, seen, await subscribe(client, "drain")), 0, "exit status");
  });

  await check("a terminal code ends the client", async (client, seen) => {
    seen.socket.send("this is not a command");
    await until(() => seen.disconnected.length, () => "disconnected");
    const [code] = seen.disconnected;
    if (!(code >= 3500 && code < 4000)) throw new Error(`disconnected with ${code}`);
    await sleep(2000); // longer than the first reconnect delay
    same([client.state, seen.connected], ["disconnected", 1], "no reconnect");
  });

  return passed;
}
