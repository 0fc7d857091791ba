// The checks of access.py with centrifuge (npm). The same file runs in Node, Chromium and Firefox.
const WAIT_MS = 15_000;
const SECRET = "a secret of tests with at least 32 bytes"; // that of access.toml

const bytes = (text) => new TextEncoder().encode(text);

function base64url(data) {
  const base64 = btoa(String.fromCharCode(...new Uint8Array(data)));
  return base64.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

async function token(claims, secret = SECRET) {
  const part = (value) => base64url(bytes(JSON.stringify(value)));
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", bytes(secret), algorithm, false, ["sign"]);
  return `${signed}.${base64url(await crypto.subtle.sign("HMAC", key, bytes(signed)))}`;
}

const ann = (claims = {}) => token({ sub: "ann", ...claims });
// Returns `exp` of each token of a client whose first refresh fails.
const expires = (time) => now() + ({ 1: 2, 2: -5 }[time] ?? 600);

function same(actual, expected, what) {
  const [got, want] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (got !== want) throw new Error(`${what}: got ${got}, expected ${want}`);
}

const now = () => Math.floor(Date.now() / 1000);

async function until(condition, what) {
  const deadline = Date.now() + WAIT_MS;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`timeout: ${typeof what === "function" ? what() : what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

// Runs all checks with the form "json" or "protobuf". Returns whether all of them passed. `api` is a
// client of the server API, which browsers do not have.
export async function run({ Centrifuge, WebSocket, url, form, report, api }) {
  const isProtobuf = form === "protobuf";
  const json = (data) => (isProtobuf ? JSON.parse(new TextDecoder().decode(data)) : data);
  const encoded = (data) => (isProtobuf ? bytes(JSON.stringify(data)) : data);

  // Returns a client that records what happens to it. `make` returns the token of each fetch.
  function open(make) {
    const client = new Centrifuge(url, {
      websocket: WebSocket,
      getToken: async () => make(++client.fetched),
    });
    Object.assign(client, { fetched: 0, codes: [], connecting: [], got: [], times: 0 });
    client.on("connected", () => client.times++);
    client.on("connecting", (context) => client.connecting.push(context.code));
    client.on("disconnected", (context) => client.codes.push(context.code));
    client.on("publication", (context) => client.got.push(json(context.data)));
    client.connect();
    return client;
  }

  function subscribe(client, channel, make) {
    const options = make ? { getToken: async () => make(++subscription.fetched) } : {};
    const subscription = client.newSubscription(channel, options);
    Object.assign(subscription, { fetched: 0, subscribing: [], codes: [], got: [], times: 0 });
    subscription.on("subscribing", (context) => subscription.subscribing.push(context.code));
    subscription.on("subscribed", () => subscription.times++);
    subscription.on("unsubscribed", (context) => subscription.codes.push(context.code));
    subscription.on("publication", (context) => subscription.got.push(json(context.data)));
    subscription.subscribe();
    return subscription;
  }

  const checks = {
    "a token connects, and an expired one is fetched again": async () => {
      const client = open((time) => ann(time === 1 ? { exp: now() - 5 } : {}));
      await until(() => client.state === "connected", "connected");
      if (client.fetched !== 2) throw new Error(`fetched ${client.fetched} times`);
      client.disconnect();
    },
    "a token with another signature ends the client": async () => {
      const client = open(() => token({ sub: "ann" }, "another secret of at least 32 bytes"));
      await until(() => client.codes.length, "disconnected");
      if (client.codes[0] !== 3500) throw new Error(`code ${client.codes}`);
    },
    "a connection is refreshed before it is closed": async () => {
      const client = open(() => ann({ exp: now() + 2 }));
      await until(() => client.fetched >= 3, () => `fetched ${client.fetched} times`);
      if (client.times !== 1) throw new Error(`connected ${client.times} times`);
      client.disconnect();
    },
    "an expired token in a refresh ends the connection, and the SDK connects again": async () => {
      const client = open((time) => ann({ exp: expires(time) }));
      await until(() => client.times === 2, () => `connected ${client.times} times`);
      same(client.connecting, [0, 3005], "codes");
      client.disconnect();
    },
    "an expired token in a sub_refresh ends the subscription, and the SDK subscribes again": async () => {
      const client = open(() => ann());
      const channel = "$news:2";
      const topic = subscribe(client, channel, (time) => token({ sub: "ann", channel, exp: expires(time) }));
      await until(() => topic.times === 2, () => `subscribed ${topic.times} times`);
      same([topic.subscribing, client.times], [[0, 2501], 1], "codes, and times connected");
      client.disconnect();
    },
    "the server subscribes the client to the topics of its token": async () => {
      const client = open(() => ann({ channels: ["chat:server"] }));
      await until(() => client.state === "connected", "connected");
      await client.publish("chat:server", encoded({ n: 1 }));
      await until(() => client.got.length, "a publication");
      if (client.got[0].n !== 1) throw new Error(JSON.stringify(client.got));
      client.disconnect();
    },
    "a private topic needs a subscription token, which is refreshed": async () => {
      const client = open(() => ann());
      const refused = subscribe(client, "$news:refused");
      await until(() => refused.codes.length, "refused");
      const channel = "$news:1";
      const granted = subscribe(client, channel, (time) =>
        token({ sub: "ann", channel, exp: time === 1 ? now() - 5 : now() + 2 }),
      );
      await until(() => granted.fetched >= 4, () => `fetched ${granted.fetched} times`);
      if (granted.times !== 1) throw new Error(`subscribed ${granted.times} times`);
      client.disconnect();
    },
    "permissions decide about subscribing and publishing": async () => {
      const client = open(() => ann());
      const allowed = ["news:1", "inbox:box#ann", "inbox:box#bob,ann", "chat:1"];
      const denied = ["other", "inbox:box", "inbox:box#bob", "inbox:box#annette"];
      const granted = allowed.map((channel) => subscribe(client, channel));
      const refused = denied.map((channel) => subscribe(client, channel));
      await until(() => granted.every((each) => each.times === 1), "subscribed");
      await until(() => refused.every((each) => each.codes.length), "refused");
      await client.publish("chat:1", encoded({ n: 2 }));
      await until(() => granted[3].got.length, "a publication");
      for (const channel of ["news:1", "chat:2"]) {
        const code = await client.publish(channel, encoded(1)).then(() => 0, (error) => error.code);
        if (code !== 103) throw new Error(`publish to ${channel}: ${code}`);
      }
      client.disconnect();
    },
    "publications of clients name the client": async () => {
      const claims = { sub: "eve", info: { name: "Eve" }, subs: { "chat:who": { info: [7] } } };
      const eve = open(() => token(claims));
      const other = open(() => ann({ channels: ["chat:who"] }));
      const senders = [];
      const parts = ({ user, client, connInfo, chanInfo }) => [user, client, json(connInfo), json(chanInfo)];
      let id;
      eve.on("connected", ({ client }) => (id = client));
      other.on("publication", ({ info }) => senders.push(info ? parts(info) : null));
      await until(() => eve.state === "connected" && other.state === "connected", "connected");
      await eve.publish("chat:who", encoded(1));
      await until(() => senders.length, "a publication");
      const expected = JSON.stringify([["eve", id, { name: "Eve" }, [7]]]);
      if (JSON.stringify(senders) !== expected) throw new Error(JSON.stringify(senders));
      eve.disconnect();
      other.disconnect();
    },
  };
  if (api) checks["the server API acts on the connections of a user"] = async () => {
    const [eve, other] = [open(() => token({ sub: "eve" })), open(() => ann())];
    const events = [];
    eve.on("subscribed", ({ channel, data }) => events.push(["subscribed", channel, json(data)]));
    eve.on("unsubscribed", ({ channel }) => events.push(["unsubscribed", channel]));
    other.on("subscribed", () => events.push(["another user"]));
    await until(() => eve.state === "connected" && other.state === "connected", "connected");
    const own = subscribe(eve, "news:own");
    await until(() => own.times, "subscribed");
    await api.subscribe({ user: "eve", channel: "chat:api", data: { n: 1 } });
    await until(() => events.length, "subscribed by the server");
    await api.publish({ channel: "chat:api", data: 7 });
    await until(() => eve.got.length, "a publication");
    for (const channel of ["chat:api", "news:own"]) await api.unsubscribe({ user: "eve", channel });
    await until(() => own.codes.length, "unsubscribed");
    await api.refresh({ user: "eve", expire_at: now() + 60 });
    await api.refresh({ user: "eve", expired: true });
    await until(() => eve.times === 2, "connected again");
    await api.disconnect({ user: "eve", disconnect: { code: 4501, reason: "over" } });
    await until(() => eve.codes.length, "disconnected");
    const noticed = JSON.stringify([events, eve.got, own.codes, eve.codes, other.codes, other.got]);
    const expected =
      '[[["subscribed","chat:api",{"n":1}],["unsubscribed","chat:api"]],[7],[2000],[4501],[],[]]';
    if (noticed !== expected) throw new Error(noticed);
    other.disconnect();
  };

  let passed = true;
  for (const [name, body] of Object.entries(checks)) {
    try {
      await body();
      await report(`ok ${name}`);
    } catch (error) {
      passed = false;
      await report(`not ok ${name}: ${error.message}`);
    }
  }
  return passed;
}
