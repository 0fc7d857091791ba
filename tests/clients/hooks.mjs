// The checks of hooks.py with centrifuge (npm) in Node, and those of key sets. Arguments: client URL,
// json or protobuf, address of the back end.
import { generateKeyPairSync, randomUUID, sign } from "node:crypto";
import { createRequire } from "node:module";
import { isDeepStrictEqual } from "node:util";

const require = createRequire(`${process.env.NODE_TOOLS}/package.json`);
const { WebSocket } = require("ws");
const [url, form, backEnd] = process.argv.slice(2);
const { Centrifuge } = require(form === "protobuf" ? "centrifuge/build/protobuf" : "centrifuge");
const WAIT_MS = 15_000;
const FAILURES = ["garbage", "500", "huge", "never"]; // modes that end in error 100

const isProtobuf = form === "protobuf";
const json = (data) => (isProtobuf && data?.length ? JSON.parse(new TextDecoder().decode(data)) : data);
const encoded = (data) => (isProtobuf ? new TextEncoder().encode(JSON.stringify(data)) : data);

class WithHeader extends WebSocket {
  constructor(address, protocols) {
    super(address, protocols, { headers: { "X-Session": "s1" } });
  }
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function until(condition, what) {
  const deadline = Date.now() + WAIT_MS;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`timeout: ${typeof what === "function" ? what() : what}`);
    await sleep(20);
  }
}

function same(actual, expected, what) {
  if (!isDeepStrictEqual(actual, expected)) {
    throw new Error(`${what}: got ${JSON.stringify(actual)}, expected ${JSON.stringify(expected)}`);
  }
}

// Connects a client and records what happens to it. Without a token, the connect hook has the mode.
function open(mode, options = {}) {
  const id = randomUUID();
  const client = new Centrifuge(url, {
    websocket: WithHeader,
    timeout: 10_000,
    // The server refuses a token with a new key for up to 10 s; the client tries again meanwhile.
    minReconnectDelay: 100,
    maxReconnectDelay: 1_000,
    data: encoded({ user: "ann", mode, id }),
    ...options,
  });
  Object.assign(client, { id, greetings: [], connecting: [], codes: [], topics: [] });
  client.on("connected", (context) => client.greetings.push(json(context.data)));
  client.on("connecting", (context) => client.connecting.push(context.code));
  client.on("disconnected", (context) => client.codes.push(context.code));
  client.on("subscribed", (context) => client.topics.push(context.channel));
  client.on("error", () => {});
  client.connect();
  return client;
}

async function connected(mode = "ok", options) {
  const client = open(mode, options);
  await until(() => client.greetings.length, "connected");
  return client;
}

// Subscribes to a topic of the client's own whose hooks have the mode.
async function subscribe(client, mode) {
  const subscription = client.newSubscription(`hook:${mode}-${client.id}`);
  Object.assign(subscription, { replies: [], subscribing: [], codes: [], got: [] });
  subscription.on("subscribed", (context) => subscription.replies.push(json(context.data)));
  subscription.on("subscribing", (context) => subscription.subscribing.push(context.code));
  subscription.on("unsubscribed", (context) => subscription.codes.push(context.code));
  subscription.on("publication", (context) => subscription.got.push(json(context.data)));
  subscription.on("error", () => {});
  subscription.subscribe();
  await until(() => subscription.replies.length || subscription.codes.length, `a reply to subscribe ${mode}`);
  return subscription;
}

const calls = async (id) => (await fetch(`${backEnd}/calls?id=${encodeURIComponent(id)}`)).json();
const rpc = async (client, mode) => json((await client.rpc(mode, encoded({ n: 1 }))).data);
const code = (promise) => promise.then(() => 0, (error) => error.code);
const echo = { echo: { n: 1 }, user: "ann" };

// Returns a key pair with the id, as JWK, and a function that signs tokens.
function key(kid) {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const token = () => {
    const signed = `${part({ alg: "ES256", typ: "JWT", kid })}.${part({ sub: "ann" })}`;
    const signature = sign("sha256", Buffer.from(signed), { key: privateKey, dsaEncoding: "ieee-p1363" });
    return `${signed}.${signature.toString("base64url")}`;
  };
  return { jwk: { ...publicKey.export({ format: "jwk" }), kid, alg: "ES256", use: "sig" }, token };
}

async function setKeys(mode, ...keys) {
  const body = JSON.stringify({ keys: keys.map(({ jwk }) => jwk) });
  const answer = await fetch(`${backEnd}/jwks?mode=${mode}`, { method: "POST", body });
  if (!answer.ok) throw new Error(`the key set is not set: ${answer.status}`);
}

// Connects with the token. The server may refuse it until it fetches its key set again.
async function admitted(token) {
  const deadline = Date.now() + WAIT_MS;
  while (Date.now() < deadline) {
    const client = open("ok", { token });
    await until(() => client.greetings.length || client.codes.length, "a reply to connect");
    if (client.greetings.length) return client;
    await sleep(500);
  }
  throw new Error("timeout: the token is not accepted");
}

const checks = {
  "the connect hook grants a user, data and topics": async () => {
    const client = await connected();
    same(client.greetings, [{ hello: "ann" }], "data of the connect reply");
    await until(() => client.topics.length, "a server-side subscription");
    same(client.topics, ["chat:server"], "topics");
    const [[hook, call, headers]] = await calls(client.id);
    same([hook, call.transport, call.protocol], ["connect", "websocket", form], "call");
    same([headers["x-session"], headers["x-back-end-key"]], ["s1", "key"], "headers");
    client.disconnect();
  },
  "the connect hook refuses with an error or a disconnect": async () => {
    for (const [mode, expected] of [["error", 1001], ["404", 1404], ["disconnect", 4501]]) {
      const client = open(mode);
      await until(() => client.codes.length, `disconnected with mode ${mode}`);
      same(client.codes, [expected], `codes with mode ${mode}`);
    }
  },
  "a connect hook that fails is asked again": async () => {
    const client = await connected("once500");
    same((await calls(client.id)).length, 2, "calls");
    client.disconnect();
  },
  "the refresh hook extends a connection, and ends it": async () => {
    const client = await connected("expiring");
    await until(() => client.connecting.includes(3005), () => `3005 among ${client.connecting}`);
    const hooks = (await calls(client.id)).map(([hook]) => hook);
    same(hooks.slice(0, 4), ["connect", "refresh", "refresh", "refresh"], "calls");
    client.disconnect();
  },
  "the subscribe hook decides, and its data reaches the client": async () => {
    const client = await connected();
    const granted = await subscribe(client, "ok");
    same(granted.replies, [{ topic: granted.channel }], "data of the subscribe reply");
    for (const [mode, expected] of [["error", 1001], ["404", 1404]]) {
      same((await subscribe(client, mode)).codes, [expected], `codes with mode ${mode}`);
    }
    client.disconnect();
  },
  "the sub_refresh hook extends a subscription, and ends it": async () => {
    const client = await connected();
    const subscription = await subscribe(client, "expiring");
    await until(() => subscription.subscribing.includes(2501), () => `2501 among ${subscription.subscribing}`);
    const hooks = (await calls(subscription.channel)).map(([hook]) => hook);
    same(hooks.slice(0, 4), ["subscribe", "sub_refresh", "sub_refresh", "sub_refresh"], "calls");
    same(client.greetings.length, 1, "times connected");
    client.disconnect();
  },
  "the publish hook decides, and replaces the data": async () => {
    const client = await connected();
    const subscription = await subscribe(client, "replaced");
    await client.publish(subscription.channel, encoded({ n: 1 }));
    await until(() => subscription.got.length, "a publication");
    same(subscription.got, [{ replaced: true }], "publications");
    same(await code(client.publish("hook:error-1", encoded(1))), 1001, "code");
    client.disconnect();
  },
  "the rpc hook answers, and its failures are error 100": async () => {
    const client = await connected();
    for (const mode of ["ok", "slow"]) same(await rpc(client, mode), echo, mode);
    for (const [mode, expected] of [["error", 1001], ["404", 1404], ...FAILURES.map((each) => [each, 100])]) {
      same(await code(rpc(client, mode)), expected, `code with mode ${mode}`);
    }
    same(client.greetings.length, 1, "times connected");
    client.disconnect();
  },
  "a hook that does not respond delays only its client": async () => {
    const waiting = await connected();
    let done = false;
    const call = code(rpc(waiting, "never")).finally(() => (done = true));
    const client = await connected();
    const subscription = await subscribe(client, "replaced");
    await client.publish(subscription.channel, encoded({ n: 1 }));
    await until(() => subscription.got.length, "a publication");
    same(await rpc(client, "ok"), echo, "rpc");
    same(done, false, "the other call has an answer");
    same(await call, 100, "code of the call that waits");
    for (const each of [waiting, client]) each.disconnect();
  },
  "keys of a set are fetched when a token names them, and rotate": async () => {
    const [first, second, missing] = ["first", "second", "missing"].map((name) => key(`${name}-${randomUUID()}`));
    await setKeys("ok", first);
    (await admitted(first.token())).disconnect();
    await setKeys("ok", second);
    (await admitted(second.token())).disconnect();
    const refused = open("ok", { token: missing.token() });
    await until(() => refused.codes.length, "refused");
    same(refused.codes, [3500], "codes of a token whose key is not in the set");
    await setKeys("500");
    (await connected("ok", { token: second.token() })).disconnect();
  },
  "a key set that does not respond delays only tokens of its unknown keys": async () => {
    const [known, unknown] = ["known", "unknown"].map((name) => key(`${name}-${randomUUID()}`));
    await setKeys("ok", known);
    (await admitted(known.token())).disconnect();
    await setKeys("never");
    const fetches = async () => (await calls('"jwks"')).filter(([, { mode }]) => mode === "never").length;
    const before = await fetches();
    const deadline = Date.now() + WAIT_MS;
    let waiting = open("ok", { token: unknown.token() });
    while ((await fetches()) === before) {
      if (Date.now() > deadline) throw new Error("timeout: the key set is not fetched");
      if (waiting.codes.length) waiting = open("ok", { token: unknown.token() });
      await sleep(100);
    }
    (await connected("ok", { token: known.token() })).disconnect();
    (await connected()).disconnect();
    same(waiting.codes, [], "codes of the client that waits");
    waiting.disconnect();
  },
};

let passed = true;
for (const [name, body] of Object.entries(checks)) {
  try {
    await body();
    console.log(`ok ${name}`);
  } catch (error) {
    passed = false;
    console.log(`not ok ${name}: ${error.message}`);
  }
}
process.exit(passed ? 0 : 1);
