/** The filter jwt in a proxy, with an issuer that signs and publishes its keys. */
import { constants, createHmac, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { type RawResponse, request } from "../support/raw-client.ts";
import { makeStage } from "../support/stage.ts";
import { component, startHost, startProxy, type TestHost } from "../support/test-host.ts";
import { ok, Upstream } from "../support/upstream.ts";

const stage = makeStage();

const CLAIMS = {
  issuer: "https://id.example",
  audience: "api",
  claims: { "x-user": "sub", "x-roles": "realm.roles" },
};

type Signer = (message: Buffer) => Buffer;

/** One key of the issuer, and how it signs. */
interface Signing {
  readonly algorithm: string;
  readonly id: string;
  readonly jwk: object;
  readonly signer: Signer;
}

function signing(algorithm: string, id = algorithm): Signing {
  const { publicKey, privateKey } = pair(algorithm);
  const signer: Signer = (message) => {
    if (algorithm === "EdDSA") return sign(null, message, privateKey);
    const padding = algorithm.startsWith("PS")
      ? constants.RSA_PKCS1_PSS_PADDING
      : constants.RSA_PKCS1_PADDING;
    const rsa = algorithm.startsWith("ES") ? {} : { padding, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
    return sign(`sha${algorithm.slice(2)}`, message, { key: privateKey, dsaEncoding: "ieee-p1363", ...rsa });
  };
  return { algorithm, id, jwk: { ...publicKey.export({ format: "jwk" }), kid: id, use: "sig" }, signer };
}

function pair(algorithm: string): { readonly publicKey: KeyObject; readonly privateKey: KeyObject } {
  if (algorithm === "EdDSA") return generateKeyPairSync("ed25519");
  if (algorithm.startsWith("ES")) return generateKeyPairSync("ec", { namedCurve: "P-256" });
  return generateKeyPairSync("rsa", { modulusLength: 2048 });
}

function token({ algorithm, id, signer }: Omit<Signing, "jwk">, claims: object = {}): string {
  const now = Math.floor(Date.now() / 1000);
  const payload = { iss: "https://id.example", aud: "api", sub: "alice", exp: now + 3_600, ...claims };
  const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString("base64url");
  const message = `${encode({ alg: algorithm, typ: "JWT", kid: id })}.${encode(payload)}`;
  return `${message}.${signer(Buffer.from(message)).toString("base64url")}`;
}

async function ask(host: TestHost, bearer: string, fields: readonly string[] = []): Promise<RawResponse> {
  const client = await stage.connect(host);
  return client.ask(request("/", [`Authorization: Bearer ${bearer}`, ...fields]));
}

/** A file with this secret, for one test. */
function secretFile(secret: string): string {
  const folder = mkdtempSync(join(tmpdir(), "sluice-secret-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "key");
  writeFileSync(file, secret, { mode: 0o600 });
  return file;
}

describe("with keys that the issuer publishes", () => {
  interface Scene {
    readonly issuer: Upstream;
    readonly main: Upstream;
    readonly host: TestHost;
  }

  async function scene(keys: () => readonly Signing[]): Promise<Scene> {
    const document = (): string => JSON.stringify({ keys: keys().map(({ jwk }) => jwk) });
    const issuer = stage.use(await Upstream.start(() => ok(document())));
    const main = stage.use(await Upstream.start());
    const config = { ...CLAIMS, jwks: { upstream: "idp", path: "/keys", cooldown: "1ms" } };
    const grant = { clock: true, http: ["idp"], secrets: [], store: true };
    const host = stage.use(
      await startHost({
        upstreams: { main: { servers: [main.origin] }, idp: { servers: [issuer.origin] } },
        filters: { token: { component: component("jwt"), config, grant } },
        routes: [{ upstream: "main", filters: ["token"] }],
      }),
    );
    return { issuer, main, host };
  }

  test("tokens of every kind of key pass, and the upstream is told who it is", async () => {
    const keys = ["RS256", "PS512", "ES256", "EdDSA"].map((algorithm) => signing(algorithm));
    const { issuer, main, host } = await scene(() => keys);
    for (const key of keys) {
      const bearer = token(key, { realm: { roles: ["a", "b"] } });
      expect((await ask(host, bearer, ["X-User: root", "X-Roles: all"])).status, key.algorithm).toBe(200);
    }
    expect(main.arrivals.map(({ head }) => head.all("x-user"))).toEqual(keys.map(() => ["alice"]));
    expect(main.arrivals[0]?.head.all("x-roles")).toEqual(['["a","b"]']);
    expect(issuer.arrivals.map(({ target }) => target)).toEqual(["/keys"]);
  });

  test("a token of a new key passes after the first fetch that it causes, a forged one never", async () => {
    const [old, fresh] = [signing("ES256", "old"), signing("ES256", "new")];
    const forged = signing("ES256", "old");
    let published = [old];
    const { main, host } = await scene(() => published);
    expect((await ask(host, token(old))).status).toBe(200);
    expect((await ask(host, token(fresh))).status, "not published yet").toBe(401);
    published = [old, fresh];
    // A second has to pass after the fetch before it.
    const statusOfFresh = async (): Promise<number> => (await ask(host, token(fresh))).status;
    await expect.poll(statusOfFresh, { timeout: 20_000 }).toBe(200);

    const { status, head } = await ask(host, token(forged));
    expect(status).toBe(401);
    expect(head.one("www-authenticate")).toBe(
      'Bearer realm="api", error="invalid_token", error_description="the token\'s signature is wrong"',
    );
    expect(main.arrivals.length).toBe(2);
  });

  test("without keys nobody passes", async () => {
    const { host, issuer, main } = await scene(() => []);
    await issuer[Symbol.asyncDispose]();
    const response = await ask(host, token(signing("ES256")));
    expect([response.status, response.head.one("retry-after")]).toEqual([503, "1"]);
    expect(main.arrivals).toEqual([]);
  });
});

describe("with a shared secret", () => {
  const SECRET = "0123456789abcdef0123456789abcdef";

  async function scene(config: object = {}): Promise<{ readonly main: Upstream; readonly host: TestHost }> {
    const main = stage.use(await Upstream.start());
    const shared = { secrets: [{ secret: "key", algorithm: "HS256" }] };
    const host = stage.use(
      await startProxy(main, {
        secrets: { key: { file: secretFile(SECRET) } },
        filters: {
          token: {
            component: component("jwt"),
            config: { ...CLAIMS, ...shared, ...config },
            grant: { clock: true, http: [], secrets: ["key"], store: true },
          },
        },
        routes: [{ upstream: "main", filters: ["token"] }],
      }),
    );
    return { main, host };
  }

  const hmac = (secret: string): Omit<Signing, "jwk"> => ({
    algorithm: "HS256",
    id: "any",
    signer: (message) => createHmac("sha256", secret).update(message).digest(),
  });

  test("time, issuer, audience and signature count", async () => {
    const { main, host } = await scene();
    const now = Math.floor(Date.now() / 1000);
    const attempts: readonly (readonly [string, number])[] = [
      [token(hmac(SECRET)), 200],
      [token(hmac(SECRET), { exp: now - 3_600 }), 401],
      [token(hmac(SECRET), { nbf: now + 3_600 }), 401],
      [token(hmac(SECRET), { aud: "other" }), 401],
      [token(hmac(SECRET), { iss: "https://evil.example" }), 401],
      [token(hmac("another secret of the same length")), 401],
      [token({ ...hmac(SECRET), algorithm: "none", signer: () => Buffer.alloc(0) }), 401],
      [token({ ...hmac(SECRET), algorithm: "HS512" }), 401],
    ];
    for (const [bearer, status] of attempts)
      expect((await ask(host, bearer)).status, Buffer.from(bearer, "base64url").toString()).toBe(status);
    expect(main.arrivals.length).toBe(1);
  });

  test("a client without a token is told that one is needed, and its own claims never get through", async () => {
    const { main, host } = await scene({ optional: true });
    const client = await stage.connect(host);
    expect((await client.ask(request("/", ["X-User: root"]))).status).toBe(200);
    expect(main.only.head.one("x-user")).toBeUndefined();

    const strict = await scene();
    const { status, head } = await (await stage.connect(strict.host)).ask(request("/", ["X-User: root"]));
    expect([status, head.one("www-authenticate")]).toEqual([401, 'Bearer realm="api"']);
  });
});
