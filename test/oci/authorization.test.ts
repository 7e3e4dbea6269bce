/** Who one is to a registry: what it asks for, what it is told, and what nobody else is told. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { readChallenges } from "../../host/oci/challenge.ts";
import { findCredentials } from "../../host/oci/credentials.ts";
import { Authority } from "../support/certificate.ts";
import { refusal, spokenWith, TestRegistries } from "./registries.ts";
import { putArtifact, ScriptedRegistry } from "./scripted-registry.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sluice-oci-"));
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

/** Writes a docker config file and gives its path. */
function dockerConfig(content: object | string): string {
  const file = join(folder, "config.json");
  writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
  return file;
}

const base64 = (plain: string): string => Buffer.from(plain).toString("base64");

describe("a token server", () => {
  let registry: ScriptedRegistry;
  let tokens: ScriptedRegistry;
  let reference: string;
  /** What it was asked, with the Authorization and the form. */
  let asked: string[];
  /** What it answers. */
  let answer: { readonly status?: number; readonly body: object | string };

  beforeEach(async () => {
    registry = await ScriptedRegistry.start();
    tokens = await ScriptedRegistry.start();
    reference = `oci://${registry.host}/f:1`;
    asked = [];
    answer = { body: { token: "good", expires_in: 300 } };
    putArtifact(registry);
    registry.script = (request, response) => {
      if (request.headers.authorization === "Bearer good") return false;
      const realm = `http://${tokens.host}/token?account=none`;
      const scope = "repository:f:pull";
      response.writeHead(401, {
        "www-authenticate": `Bearer realm="${realm}",service="the registry",scope="${scope}"`,
      });
      response.end();
      return true;
    };
    tokens.script = async (request, response) => {
      const form = request.method === "POST" ? ` ${await text(request)}` : "";
      asked.push(`${request.method} ${request.url} ${request.headers.authorization}${form}`);
      const { status = 200, body } = answer;
      response.writeHead(status).end(typeof body === "string" ? body : JSON.stringify(body));
      return true;
    };
  });

  afterEach(async () => {
    await registry[Symbol.asyncDispose]();
    await tokens[Symbol.asyncDispose]();
  });

  const QUESTION = "/token?account=none&service=the+registry&scope=repository%3Af%3Apull";

  test("gives a token for what the registry says, and it serves for all that follows", async () => {
    await using registries = new TestRegistries();

    const artifact = await registries.resolve(reference);
    await artifact.fetch();

    expect(asked).toEqual([`GET ${QUESTION} undefined`]);
    expect(registry.authorizations).toEqual([undefined, "Bearer good", "Bearer good", "Bearer good"]);
  });

  test("is told user and password, and the registry is not", async () => {
    const credentials = dockerConfig({ auths: { [registry.host]: { auth: base64("ali:open sesame") } } });
    await using registries = new TestRegistries({ credentials });

    await registries.resolve(reference);

    expect(asked).toEqual([`GET ${QUESTION} Basic ${base64("ali:open sesame")}`]);
    expect(registry.authorizations).toEqual([undefined, "Bearer good", "Bearer good"]);
  });

  test("is given an identity token in a form", async () => {
    const credentials = dockerConfig({ auths: { [registry.host]: { identitytoken: "it is me" } } });
    answer = { body: { access_token: "good" } };
    await using registries = new TestRegistries({ credentials });

    await registries.resolve(reference);

    expect(asked).toEqual([
      "POST /token?account=none undefined service=the+registry&scope=repository%3Af%3Apull" +
        "&grant_type=refresh_token&client_id=sluice&refresh_token=it+is+me",
    ]);
  });

  test("is asked again when a token has run out", async () => {
    answer = { body: { token: "good", expires_in: 0 } };
    await using registries = new TestRegistries();

    await registries.resolve(reference);

    expect(asked, "once for the manifest, once for the config").toHaveLength(2);
  });

  test.each<
    [what: string, answer: { status?: number; body: object | string }, clause: (at: string) => string]
  >([
    [
      "refuses the credentials",
      { status: 401, body: "open sesame is wrong" },
      (at) => `the token server ${at} of REGISTRY refuses the credentials that there are for it`,
    ],
    [
      "breaks",
      { status: 500, body: "" },
      (at) => `the token server ${at} of REGISTRY gives no token (status 500)`,
    ],
    [
      "answers with no token",
      { body: { token: "" } },
      (at) => `the token server ${at} of REGISTRY gives no token (its answer is none)`,
    ],
    [
      "answers with a header's end",
      { body: { token: "good\r\nx: y" } },
      (at) => `the token server ${at} of REGISTRY gives no token (its answer is none)`,
    ],
    [
      "answers without end",
      { body: " ".repeat(70_000) },
      (at) => `${at} sends more than the 65536 bytes that there may be of it`,
    ],
    [
      "gives a token that is refused",
      { body: { token: "bad" } },
      () => "REGISTRY refuses the credentials that there are for it",
    ],
  ])("that %s has a sentence, without the credentials", async (_, answered, clause) => {
    answer = answered;
    const credentials = dockerConfig({ auths: { [registry.host]: { auth: base64("ali:open sesame") } } });
    await using registries = new TestRegistries({ credentials });

    const sentence = await refusal(registries.resolve(reference));

    expect(sentence).toBe(
      `${reference} cannot be read: ${clause(tokens.host).replace("REGISTRY", registry.host)}`,
    );
    expect(sentence).not.toMatch(/sesame|Basic|Bearer/);
  });

  test("that gives nothing to strangers is told apart from one that refuses", async () => {
    answer = { status: 401, body: "" };
    await using registries = new TestRegistries();

    expect(await refusal(registries.resolve(reference))).toBe(
      `${reference} cannot be read: ${registry.host} asks for credentials, and there are none for it`,
    );
  });

  test("is not asked in the clear for a registry with TLS", async () => {
    const authority = await Authority.create();
    await using secured = await ScriptedRegistry.start(await authority.issue(["127.0.0.1"]));
    secured.script = (_, response) => {
      response.writeHead(401, { "www-authenticate": `Bearer realm="http://${tokens.host}/token"` }).end();
      return true;
    };
    const ca = join(folder, "ca.pem");
    writeFileSync(ca, authority.cert);
    const credentials = dockerConfig({ auths: { [secured.host]: { auth: base64("ali:open sesame") } } });
    await using registries = new TestRegistries({
      credentials,
      registries: [spokenWith(secured.host, { insecure: false, ca })],
    });
    const at = `oci://${secured.host}/f:1`;

    expect(await refusal(registries.resolve(at))).toBe(
      `${at} cannot be read: ${secured.host} names the token server ${tokens.host}, which would be asked in the clear`,
    );
    expect(asked).toEqual([]);
  });

  test("that a host names to which the registry redirects is not asked", async () => {
    const credentials = dockerConfig({ auths: { [registry.host]: { auth: base64("ali:open sesame") } } });
    await using other = await ScriptedRegistry.start();
    other.script = (_, response) => {
      response.writeHead(401, { "www-authenticate": `Bearer realm="http://${tokens.host}/token"` }).end();
      return true;
    };
    registry.script = (_, response) => {
      response.writeHead(307, { location: `http://${other.host}/manifest` }).end();
      return true;
    };
    await using registries = new TestRegistries({ credentials });

    expect(await refusal(registries.resolve(reference))).toContain(`${other.host} answers with status 401`);
    expect(asked).toEqual([]);
  });
});

describe("a docker config file", () => {
  const HOST = "registry.example.com:5000";

  test.each<[what: string, content: object, found: object | undefined]>([
    ["user and password as one", { auths: { [HOST]: { auth: base64("ali:a:b") } } }, password("ali", "a:b")],
    ["that one with a NUL", { auths: { [HOST]: { auth: base64("ali:ab\0") } } }, password("ali", "ab")],
    ["user and password", { auths: { [HOST]: { username: "ali", password: "ab" } } }, password("ali", "ab")],
    [
      "an identity token",
      { auths: { [HOST]: { auth: base64("ali:ab"), identitytoken: "me" } } },
      { kind: "identity", token: "me" },
    ],
    [
      "a key with a scheme and a path",
      { auths: { [`https://${HOST}/v1/`]: { auth: base64("ali:ab") } } },
      password("ali", "ab"),
    ],
    ["other registries alone", { auths: { "registry.example.com": { auth: base64("ali:ab") } } }, undefined],
    ["an entry with nothing in it", { auths: { [HOST]: {} } }, undefined],
    ["other settings alone", { detachKeys: "ctrl-e", auths: {} }, undefined],
  ])("with %s", async (_, content, found) => {
    expect(await findCredentials(dockerConfig(content), HOST)).toEqual(found);
  });

  test("that is not there has none", async () => {
    expect(await findCredentials(join(folder, "none.json"), HOST)).toBeUndefined();
  });

  test.each<[what: string, content: object | string, clause: string]>([
    ["no JSON", '{"auths": secret', "FILE is no docker config file"],
    ["something else", { auths: [{ auth: "secret" }] }, "FILE is no docker config file"],
    [
      "half of a password",
      { auths: { [HOST]: { auth: base64("secret") } } },
      `FILE has no user and password in the auth of ${HOST}`,
    ],
    [
      "a helper that would be another program",
      { credsStore: "../../bin/sh" },
      "FILE names a credential helper with a name that no program has",
    ],
    [
      "a helper that is not there",
      { credsStore: "of-nobody" },
      "the credential helper docker-credential-of-nobody is not there",
    ],
  ])("with %s is a fault, without what is in it", async (_, content, clause) => {
    const file = dockerConfig(content);

    await expect(findCredentials(file, HOST)).rejects.toThrow(clause.replace("FILE", file));
    await expect(findCredentials(file, HOST)).rejects.not.toThrow("secret");
  });

  describe("with a helper", () => {
    /** A program that helps with credentials: a script of the shell. */
    function helper(name: string, script: string): void {
      const file = join(folder, `docker-credential-${name}`);
      writeFileSync(file, `#!/bin/sh\n${script}\n`);
      chmodSync(file, 0o755);
      vi.stubEnv("PATH", [folder, process.env["PATH"]].join(delimiter));
    }

    test("for the registry it is asked before the one for all, which is asked before the file", async () => {
      helper("one", 'read -r host; echo "{\\"Username\\":\\"$1 $host\\",\\"Secret\\":\\"of one\\"}"');
      helper("all", 'echo "{\\"Username\\":\\"ali\\",\\"Secret\\":\\"of all\\"}"');
      const auths = { [HOST]: { auth: base64("ali:of the file") } };

      const one = dockerConfig({ credHelpers: { [HOST]: "one" }, credsStore: "all", auths });
      expect(await findCredentials(one, HOST)).toEqual(password(`get ${HOST}`, "of one"));
      const all = dockerConfig({ credHelpers: { other: "one" }, credsStore: "all", auths });
      expect(await findCredentials(all, HOST)).toEqual(password("ali", "of all"));
    });

    test("that gives an identity token", async () => {
      helper("one", 'echo "{\\"Username\\":\\"<token>\\",\\"Secret\\":\\"me\\"}"');

      expect(await findCredentials(dockerConfig({ credsStore: "one" }), HOST)).toEqual({
        kind: "identity",
        token: "me",
      });
    });

    test("that has none leaves it to the file", async () => {
      helper("one", 'echo "credentials not found in native keychain"; exit 1');
      const auths = { [HOST]: { auth: base64("ali:of the file") } };

      expect(await findCredentials(dockerConfig({ credsStore: "one", auths }), HOST)).toEqual(
        password("ali", "of the file"),
      );
      expect(await findCredentials(dockerConfig({ credsStore: "one" }), HOST)).toBeUndefined();
    });

    test.each([
      ["fails", "echo secret; exit 3", `gives no credentials for ${HOST} (exit code 3)`],
      ["answers something else", "echo secret", `answers with something other than credentials for ${HOST}`],
      ["writes without end", "while :; do echo secretsecretsecretsecret; done", "writes without end"],
    ])("that %s is a fault, without what it has said", async (_, script, clause) => {
      helper("one", script);
      const asking = findCredentials(dockerConfig({ credsStore: "one" }), HOST);

      await expect(asking).rejects.toThrow(clause);
      await expect(asking).rejects.not.toThrow("secret");
    });
  });
});

test.each<[field: string | string[], challenges: [string, Record<string, string>][]]>([
  ['Basic realm="x"', [["basic", { realm: "x" }]]],
  [
    'Bearer realm="https://a/t",service="s",scope="repository:a/b:pull,push"',
    [["bearer", { realm: "https://a/t", service: "s", scope: "repository:a/b:pull,push" }]],
  ],
  ['BEARER Realm = "a\\"b" , x=y', [["bearer", { realm: 'a"b', x: "y" }]]],
  [
    'Negotiate, Basic realm="a", Bearer realm="b"',
    [
      ["negotiate", {}],
      ["basic", { realm: "a" }],
      ["bearer", { realm: "b" }],
    ],
  ],
  [
    ["Basic", "Bearer realm=b"],
    [
      ["basic", {}],
      ["bearer", { realm: "b" }],
    ],
  ],
  ["", []],
  ["=", []],
  ['realm="without a scheme"', []],
])("the challenge %j", (field, challenges) => {
  const read = readChallenges(field).map(({ scheme, parameters }) => [
    scheme,
    Object.fromEntries(parameters),
  ]);
  expect(read).toEqual(challenges);
});

function password(user: string, secret: string): object {
  return { kind: "password", user, password: secret };
}
