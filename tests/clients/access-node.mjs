// access.mjs in Node with the package `ws`. Arguments: client URL, json or protobuf.
import { createRequire } from "node:module";
import { run } from "./access.mjs";

const require = createRequire(`${process.env.NODE_TOOLS}/package.json`);
const { WebSocket } = require("ws");
const [url, form] = process.argv.slice(2);
const { Centrifuge } = require(form === "protobuf" ? "centrifuge/build/protobuf" : "centrifuge");

const passed = await run({ Centrifuge, WebSocket, url, form, report: console.log });
console.log("done");
process.exit(passed ? 0 : 1);
