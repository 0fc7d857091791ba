// Reads what the checks need from messages of the server, in both forms: which replies answer an
// unsubscribe, which are pings, and the topic of each push.

const METHODS = { 4: "push", 7: "unsubscribe" }; // field numbers of Reply in client.proto
const CHANNEL = 2; // field number of Push
const [VARINT, BYTES] = [0, 2]; // wire types

function varint(bytes, at) {
  let value = 0;
  for (let shift = 1; ; shift *= 128) {
    const byte = bytes[at++];
    value += (byte & 127) * shift;
    if (byte < 128) return [value, at];
  }
}

// Yields the number and the content of each field. The replies have no other wire types.
function* fields(bytes) {
  for (let at = 0; at < bytes.length; ) {
    let tag, value;
    [tag, at] = varint(bytes, at);
    [value, at] = varint(bytes, at);
    if (tag % 8 === VARINT) {
      yield [Math.floor(tag / 8), value];
    } else if (tag % 8 === BYTES) {
      yield [Math.floor(tag / 8), bytes.subarray(at, at + value)];
      at += value;
    } else {
      throw new Error(`wire type ${tag % 8}`);
    }
  }
}

function* delimited(bytes) {
  for (let at = 0; at < bytes.length; ) {
    let length;
    [length, at] = varint(bytes, at);
    yield bytes.subarray(at, at + length);
    at += length;
  }
}

function reply(bytes) {
  const known = {};
  for (const [number, content] of fields(bytes)) {
    if (METHODS[number]) known[METHODS[number]] = content;
  }
  if (known.push) {
    const channel = new Map(fields(known.push)).get(CHANNEL);
    known.push = { channel: new TextDecoder().decode(channel) };
  }
  return { ...known, ping: bytes.length === 0 };
}

// Returns the replies of a message: a string, or the bytes of the Protobuf form.
export function replies(message) {
  if (typeof message !== "string") return [...delimited(new Uint8Array(message))].map(reply);
  return message.split("\n").map((line) => ({ ...JSON.parse(line), ping: line === "{}" }));
}
