// The client of 2026-07-28.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

import { report } from "./session.mjs";

await report(async (url, options, mode) => {
  const negotiated = { mode: mode.startsWith("2") ? { pin: mode } : mode };
  const client = new Client({ name: "check", version: "1" }, { versionNegotiation: negotiated });
  await client.connect(new StreamableHTTPClientTransport(url, options));
  return { client, version: client.getNegotiatedProtocolVersion() };
});
