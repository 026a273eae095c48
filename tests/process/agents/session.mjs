// What each program does with its client: list the tools, use them, and be refused with a token that only reads.
export async function report(connect) {
  const said = [];
  for (const options of JSON.parse(process.argv[2])) said.push(await saying(connect, options));
  console.log(JSON.stringify(said));
}

async function saying(connect, { url, write, read, mode, steps }) {
  const statuses = [];
  const options = (token) => ({
    requestInit: { headers: { Authorization: `Bearer ${token}` } },
    fetch: async (...request) => {
      const response = await fetch(...request);
      statuses.push(response.status);
      return response;
    },
  });

  const { client, version } = await connect(new URL(url), options(write), mode);
  const { tools } = await client.listTools();
  const results = [];
  let added = "";
  for (const [name, given] of steps) {
    const text = JSON.stringify(given).replaceAll("ADDED", added);
    results.push(await client.callTool({ name, arguments: JSON.parse(text) }));
    added ||= results.at(-1).structuredContent.tasks?.[0].id ?? "";
  }
  await client.close();

  const reader = await connect(new URL(url), options(read), mode);
  const refused = await reader.client.callTool({ name: "add_list", arguments: { name: "Work" } }).then(
    () => "not refused",
    (error) => error.message,
  );
  await reader.client.close();
  return { version, tools: tools.map((tool) => tool.name), results, refused, status: statuses.at(-1) };
}
