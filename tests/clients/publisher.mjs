// zeromq (npm) on PUSH, PUB, REQ and DEALER. Arguments: pull, sub, router, control URL.
import { createRequire } from "node:module";

const require = createRequire(`${process.env.NODE_TOOLS}/package.json`);
const zmq = require("zeromq");
const [pull, sub, router, control] = process.argv.slice(2);
const MESSAGES = 100;

const publication = (name, n) => ["from", JSON.stringify({ from: `npm ${name}`, n })];

async function received(name, count) {
  const answer = await fetch(`${control}/received?from=npm+${name}&count=${count}`, { method: "POST" });
  return answer.json();
}

function same(actual, expected, what) {
  const [got, want] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (got !== want) throw new Error(`${what}: got ${got}, expected ${want}`);
}

// Checks that a client received 0 to MESSAGES-1 in order. The probes of PUB (-1) are ignored.
async function arrived(name) {
  const all = await received(name, MESSAGES);
  same(all.filter((n) => n >= 0), Array.from({ length: MESSAGES }, (_, n) => n), "arrived");
}

async function exchange(socket, ...frames) {
  await socket.send(frames);
  return (await socket.receive()).map((frame) => frame.toString("latin1"));
}

const checks = {
  async PUSH(socket = new zmq.Push()) {
    socket.connect(pull);
    for (let n = 0; n < MESSAGES; n += 1) await socket.send(publication("push", n));
    await arrived("push");
  },

  // Sends probes until the subscription has reached the PUB socket, which drops messages before that.
  async PUB(socket = new zmq.Publisher()) {
    socket.connect(sub);
    while ((await received("pub", 0)).length === 0) {
      await socket.send(publication("pub", -1));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    for (let n = 0; n < MESSAGES; n += 1) await socket.send(publication("pub", n));
    await socket.send(publication("end", 0));
    await received("end", 1);
    await arrived("pub");
  },

  async "REQ: replies, errors"(socket = new zmq.Request()) {
    socket.connect(router);
    for (let n = 0; n < MESSAGES; n += 1) {
      same(await exchange(socket, ...publication("req", n)), ["ok"], "reply");
    }
    const [word, code, text] = await exchange(socket, "x".repeat(256), "{}");
    if (word !== "error" || !code || !text) throw new Error(`bad topic: ${word} ${code} ${text}`);
    same(await exchange(socket, "topic", "{}"), ["ok"], "after an error");
    await arrived("req");
  },

  async "DEALER: the reply repeats the leading frames"(socket = new zmq.Dealer()) {
    socket.connect(router);
    for (let n = 0; n < MESSAGES; n += 1) {
      const route = ["route", "\x00\x01", `${n}`, ""];
      same(await exchange(socket, ...route, ...publication("dealer", n)), [...route, "ok"], "reply");
    }
    await arrived("dealer");
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
