#!/usr/bin/env node
// Sends one call of each type with Segment's Node client; exits 1 if the client reports an error.
//
// node_client.mjs HOST WRITE_KEY USER          (STAGEPOST_TEST_PEERS: the folder that holds node/node_modules)
import { createRequire } from "node:module";

const require = createRequire(`${process.env.STAGEPOST_TEST_PEERS}/node/`);
const { Analytics } = require("@segment/analytics-node");

const [host, writeKey, userId] = process.argv.slice(2);
const errors = [];
const analytics = new Analytics({ host, writeKey, maxRetries: 1 });
analytics.on("error", (error) => errors.push(error));
const settled = (call) => (error, context) =>
  error ? errors.push({ code: call, reason: error }) : console.log(`${call} ${context.event.messageId}`);

analytics.identify({ userId, traits: { email: `${userId}@example.com`, plan: "pro" } }, settled("identify"));
analytics.track({ userId, event: "Order Completed", properties: { total: 12.5 } }, settled("track"));
analytics.page({ userId, name: "Docs", category: "Node", properties: { url: "https://example.com/docs" } }, settled("page"));
analytics.screen({ userId, name: "Settings", category: "App", properties: { dark: true } }, settled("screen"));
analytics.group({ userId, groupId: "g1", traits: { name: "Initech" } }, settled("group"));
analytics.alias({ userId, previousId: `${userId}-before` }, settled("alias"));
await analytics.closeAndFlush();

for (const { code, reason } of errors) {
  console.error(code, reason?.message ?? reason);
}
process.exit(errors.length ? 1 : 0);
