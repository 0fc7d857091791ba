// cent.js against the server API. Arguments: API URL, key, control URL.
import { createRequire } from "node:module";

const require = createRequire(`${process.env.NODE_TOOLS}/package.json`);
const { CentClient } = require("cent.js");
const [url, apiKey, control] = process.argv.slice(2);
const MESSAGES = 100;

const client = new CentClient({ url, apiKey });
const data = (name, n) => ({ from: `cent.js ${name}`, n });
const count = (length) => Array.from({ length }, (_, n) => n);

function same(actual, expected, what) {
  const [got, want] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (got !== want) throw new Error(`${what}: got ${got}, expected ${want}`);
}

// Checks that a client received 0 to messages-1 in order.
async function arrived(name, messages = MESSAGES) {
  const target = `${control}/received?from=cent.js+${name}&count=${messages}`;
  const answer = await fetch(target, { method: "POST" });
  same(await answer.json(), count(messages), "arrived");
}

// Returns the error of a call. cent.js throws an Error that it makes from the answer.
const refusal = (promise) => promise.then(() => null, (error) => error);

const checks = {
  async publish() {
    for (const n of count(MESSAGES)) {
      same(await client.publish({ channel: "from", data: data("publish", n) }), {}, "result");
    }
    await arrived("publish");
  },

  async "broadcast: one response per channel"() {
    const channels = ["from", "", "other"];
    const { responses } = await client.broadcast({ channels, data: data("broadcast", 0) });
    same(responses.map(({ error }) => error?.code ?? 0), [0, 107, 0], "responses");
    await arrived("broadcast", 1);
  },

  async "a pipeline in the older form"() {
    const publish = (n) => ({ method: "publish", params: { channel: "from", data: data("pipeline", n) } });
    const info = { method: "info", params: {} };
    const results = await client.pipeline([...count(MESSAGES).map(publish), info]);
    same(results.slice(0, -1), count(MESSAGES).map(() => ({})), "results");
    same(results.at(-1).nodes.length, 1, "nodes");
    await arrived("pipeline");
  },

  async "channels and info"() {
    const { channels } = await client.getChannels({ pattern: "from" });
    same(channels, { from: { num_clients: 1 } }, "channels");
    const { nodes } = await client.getInfo();
    same(nodes.length, 1, "nodes");
  },

  async "what is not there yet is an error"() {
    const calls = {
      getPresence: { channel: "a" },
      getPresenceStats: { channel: "a" },
      getHistory: { channel: "a" },
      removeHistory: { channel: "a" },
    };
    for (const [call, parameters] of Object.entries(calls)) {
      if (!(await refusal(client[call](parameters)))) throw new Error(`${call} has a result`);
    }
  },

  async "a wrong key is refused"() {
    const other = new CentClient({ url, apiKey: `${apiKey}x` });
    if (!(await refusal(other.getInfo()))) throw new Error("a wrong key is accepted");
  },
};

const limit = () => new Promise((_, fail) => setTimeout(() => fail(new Error("took 20 s")), 20_000));
let failed = false;
for (const [name, body] of Object.entries(checks)) {
  try {
    await Promise.race([body(), limit()]);
    console.log(`ok ${name}`);
  } catch (fault) {
    failed = true;
    console.log(`not ok ${name}: ${fault.message}`);
  }
}
console.log("done");
process.exit(failed ? 1 : 0);
