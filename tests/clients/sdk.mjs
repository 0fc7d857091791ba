// centrifuge (npm) in Node with the package `ws`. Arguments: client URL, control URL.
import { createRequire } from "node:module";
import { run } from "./scenario.mjs";

const require = createRequire(`${process.env.NODE_TOOLS}/package.json`);
const { Centrifuge } = require("centrifuge");
const { WebSocket } = require("ws");
const [url, control] = process.argv.slice(2);

const passed = await run({ Centrifuge, WebSocket, url, control, report: console.log });
console.log("done");
process.exit(passed ? 0 : 1);
