// The client before 2026-07-28.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

import { report } from "./session.mjs";

await report(async (url, options) => {
  const client = new Client({ name: "check", version: "1" });
  const transport = new StreamableHTTPClientTransport(url, options);
  await client.connect(transport);
  return { client, version: transport.protocolVersion };
});
