// A real Better Auth server that gives agents tokens for one resource, on a free loopback port, which it prints.
// Arguments: its secret, and the resource.
import { createServer } from "node:http";
import { mcp } from "@better-auth/mcp";
import { betterAuth } from "better-auth";
import { memoryAdapter } from "better-auth/adapters/memory";
import { toNodeHandler } from "better-auth/node";
import { jwt } from "better-auth/plugins/jwt";

const [secret, resource] = process.argv.slice(2);
const names = ["user", "session", "account", "verification", "jwks", "rateLimit"];
const oauth = ["Client", "ClientAssertion", "ClientResource", "AccessToken", "RefreshToken", "Consent", "Resource"];
const tables = Object.fromEntries([...names, ...oauth.map((name) => `oauth${name}`)].map((name) => [name, []]));

// As an operator does: clients may then get tokens without a user.
function allowRobots() {
  for (const client of tables.oauthClient) client.clientCredentialsScopes = ["tasks:read"];
}

const server = createServer();
server.listen(0, "127.0.0.1", () => {
  const baseURL = `http://127.0.0.1:${server.address().port}`;
  const auth = betterAuth({
    baseURL,
    secret,
    database: memoryAdapter(tables),
    telemetry: { enabled: false },
    emailAndPassword: { enabled: true },
    plugins: [
      jwt(),
      mcp({
        resource,
        loginPage: "/sign-in",
        consentPage: "/consent",
        scopes: ["openid", "profile", "email", "offline_access", "tasks:read", "tasks:write"],
        allowDynamicClientRegistration: true,
        allowUnauthenticatedClientRegistration: true,
      }),
    ],
  });
  const answer = toNodeHandler(auth);
  server.on("request", (request, response) =>
    request.url === "/robots" ? response.end(allowRobots()) : answer(request, response),
  );
  console.log(baseURL);
});
// It ends with whoever started it.
process.stdin.resume().on("end", () => process.exit());
