// access.mjs in Node with the package `ws`, and with cent.js. Arguments: client URL, json or protobuf,
// secret of tokens, API URL, API key.
import { createRequire } from "node:module";
import { run } from "./access.mjs";

const require = createRequire(`${process.env.NODE_TOOLS}/package.json`);
const { WebSocket } = require("ws");
const { CentClient } = require("cent.js");
const [url, form, , apiUrl, apiKey] = process.argv.slice(2);
const { Centrifuge } = require(form === "protobuf" ? "centrifuge/build/protobuf" : "centrifuge");

const api = new CentClient({ url: apiUrl, apiKey });
const passed = await run({ Centrifuge, WebSocket, url, form, report: console.log, api });
console.log("done");
process.exit(passed ? 0 : 1);
