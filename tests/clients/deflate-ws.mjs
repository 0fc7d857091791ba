// `ws` (npm) with default settings in the deflate check. Argument: raw URL.
import { createRequire } from "node:module";
import { receive } from "./deflate.mjs";

const require = createRequire(`${process.env.NODE_TOOLS}/package.json`);
const { WebSocket } = require("ws");
const socket = new WebSocket(process.argv[2]);
let negotiated = null;
socket.on("upgrade", ({ headers }) => (negotiated = headers["sec-websocket-extensions"] ?? ""));
receive(socket, (line) => console.log(JSON.stringify(line)), () => negotiated);
