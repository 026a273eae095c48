// A real Better Auth server on a free loopback port, which it prints. Arguments: the algorithm of its keys, its secret,
// and "keys" to have its session cookies signed with those keys too, instead of with the secret.
import { createServer } from "node:http";
import { betterAuth } from "better-auth";
import { memoryAdapter } from "better-auth/adapters/memory";
import { toNodeHandler } from "better-auth/node";
import { bearer } from "better-auth/plugins/bearer";
import { jwt } from "better-auth/plugins/jwt";

const [algorithm, secret, cookiesSignedWith] = process.argv.slice(2);
const tables = { user: [], session: [], account: [], verification: [], jwks: [], rateLimit: [] };
let mailed = null;

const server = createServer();
server.listen(0, "127.0.0.1", () => {
  const baseURL = `http://127.0.0.1:${server.address().port}`;
  const auth = betterAuth({
    baseURL,
    secret,
    database: memoryAdapter(tables),
    telemetry: { enabled: false },
    emailAndPassword: { enabled: true },
    emailVerification: { sendOnSignUp: true, sendVerificationEmail: async ({ token }) => void (mailed = token) },
    session: { cookieCache: { enabled: true, strategy: "jwt", maxAge: 3600 } },
    plugins: [
      bearer(),
      jwt({ jwks: { keyPairConfig: { alg: algorithm } }, sessionCookieCache: cookiesSignedWith === "keys" }),
    ],
  });
  const answer = toNodeHandler(auth);
  server.on("request", (request, response) =>
    request.url === "/mailed" ? response.end(mailed) : answer(request, response),
  );
  console.log(baseURL);
});
// It ends with whoever started it.
process.stdin.resume().on("end", () => process.exit());
