// Inflates messages as Node's ws does. Standard input: records of one byte (window bits), the
// payload and the message, each after its length in 4 bytes. Run by tests/wire/inflaters.rs.

'use strict';

const fs = require('node:fs');
const zlib = require('node:zlib');

const FLUSH = Buffer.from([0x00, 0x00, 0xff, 0xff]);

function* records(data) {
  let at = 0;
  const part = () => {
    const start = at + 4;
    at = start + data.readUInt32BE(at);
    return data.subarray(start, at);
  };
  while (at < data.length) {
    const windowBits = data[at++];
    yield { windowBits, payload: part(), message: part() };
  }
}

function check(inflated, message, what) {
  if (!inflated.equals(message)) {
    console.error(`${what}: ${inflated.length} bytes of ${message.length}`);
    process.exit(1);
  }
}

// One after the other through one stream, which keeps its window.
function keeper() {
  const stream = zlib.createInflateRaw();
  let chunks = [];
  stream.on('data', (chunk) => chunks.push(chunk));
  stream.on('end', () => check(Buffer.alloc(0), FLUSH, 'the stream ended'));
  return (payload) =>
    new Promise((resolve) => {
      stream.write(payload);
      stream.write(FLUSH);
      stream.flush(() => {
        resolve(Buffer.concat(chunks));
        chunks = [];
      });
    });
}

async function main() {
  const inflate = keeper();
  let count = 0;
  for (const { windowBits, payload, message } of records(fs.readFileSync(0))) {
    const options = { windowBits, finishFlush: zlib.constants.Z_SYNC_FLUSH };
    const whole = Buffer.concat([payload, FLUSH]);
    check(zlib.inflateRawSync(whole, options), message, `message ${count}`);
    check(await inflate(payload), message, `message ${count} with takeover`);
    count++;
  }
  console.log(`${count} inflated, ${count} with takeover`);
}

main();
