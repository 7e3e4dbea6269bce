import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  formatOciReference,
  isLoopback,
  OCI_PATTERN,
  readOciReference,
} from "../../host/config/oci-reference.ts";
import { complaints, MINIMAL, parse, wrongWith } from "../config/file.ts";

const DIGEST = `sha256:${"0123456789abcdef".repeat(4)}`;

test.each<[text: string, read: object]>([
  ["oci://registry.example.com/f:1.0", { registry: "registry.example.com", name: "f", tag: "1.0" }],
  ["oci://Registry.Example.com/f:V1", { registry: "registry.example.com", name: "f", tag: "V1" }],
  ["oci://localhost:5000/team/f:_x", { registry: "localhost:5000", name: "team/f", tag: "_x" }],
  ["oci://[::1]:5000/a/b/c:1", { registry: "[::1]:5000", name: "a/b/c", tag: "1" }],
  [`oci://127.0.0.1/a.b_c__d---e@${DIGEST}`, { registry: "127.0.0.1", name: "a.b_c__d---e", digest: DIGEST }],
  [`oci://h:1/f:1@${DIGEST}`, { registry: "h:1", name: "f", tag: "1", digest: DIGEST }],
])("%s is a reference", (text, read) => {
  expect(readOciReference(text)).toEqual({ tag: undefined, digest: undefined, ...read });
  expect(OCI_PATTERN.test(text), "editors refuse it").toBe(true);
});

test.each<[text: string, expected: string]>([
  ["docker://h/f:1", "a reference that begins with oci://"],
  ["oci://h", "a host, a slash and a name after oci://"],
  ["oci:///f:1", "a host, or host:port, after oci://"],
  ["oci://h:/f:1", "a host, or host:port, after oci://"],
  ["oci://h:0/f:1", "a host, or host:port, after oci://"],
  ["oci://h:65536/f:1", "a host, or host:port, after oci://"],
  ["oci://-h/f:1", "a host, or host:port, after oci://"],
  ["oci://a_b/f:1", "a host, or host:port, after oci://"],
  ["oci://1.2.3.4.5/f:1", "a host, or host:port, after oci://"],
  ["oci://user@h/f:1", "a host, or host:port, after oci://"],
  ["oci://[::1%25eth0]/f:1", "a host, or host:port, after oci://"],
  ["oci://h/f", "a tag or a digest after the name"],
  ["oci://h/f:", "a tag of at most 128 letters"],
  ["oci://h/f:-1", "a tag of at most 128 letters"],
  [`oci://h/f:${"a".repeat(129)}`, "a tag of at most 128 letters"],
  ["oci://h/f:1:2", "a tag of at most 128 letters"],
  ["oci://h/F:1", "a name of a-z and 0-9"],
  ["oci://h/:1", "a name of a-z and 0-9"],
  ["oci://h/a//b:1", "a name of a-z and 0-9"],
  ["oci://h/../f:1", "a name of a-z and 0-9"],
  ["oci://h/f_:1", "a name of a-z and 0-9"],
  ["oci://h/a___b:1", "a name of a-z and 0-9"],
  ["oci://h/f?x=1:1", "a name of a-z and 0-9"],
  [`oci://h/${"a".repeat(254)}:1`, "a name of a-z and 0-9"],
  ["oci://h/f@sha256:12", "sha256: and 64 hex digits"],
  [`oci://h/f@${DIGEST.toUpperCase()}`, "sha256: and 64 hex digits"],
  [`oci://h/f@sha512:${"0".repeat(128)}`, "sha256: and 64 hex digits"],
  [`oci://h/f@${DIGEST}@${DIGEST}`, "sha256: and 64 hex digits"],
])("%s is none", (text, expected) => {
  const told = readOciReference(text);
  expect(told).toContain(expected);
  expect(told).toContain("like oci://registry.example.com/team/filter:1.0");
});

test("what was read is written as it was, whatever it is", () => {
  const words = fc.stringMatching(/^[a-z0-9]{1,8}$/);
  const host = fc.tuple(words, fc.option(fc.integer({ min: 1, max: 65_535 }), { nil: undefined }));
  const name = fc.array(words, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"));
  const tag = fc.stringMatching(/^\w[\w.-]{0,20}$/);
  fc.assert(
    fc.property(host, name, tag, fc.boolean(), ([label, port], path, tagged, pinned) => {
      const text = `oci://x${label}${port === undefined ? "" : `:${port}`}/${path}:${tagged}${pinned ? `@${DIGEST}` : ""}`;
      const read = readOciReference(text);
      expect(typeof read === "string" ? read : formatOciReference(read)).toBe(text);
    }),
  );
});

test.each([
  ["localhost", true],
  ["localhost:5000", true],
  ["127.0.0.1", true],
  ["127.1.2.3:80", true],
  ["[::1]:5000", true],
  ["127.0.0.1.example.com", false],
  ["localhost.example.com", false],
  ["10.0.0.1:5000", false],
  ["[::2]", false],
])("whether %s is this machine: %s", (registry, loopback) => {
  expect(isLoopback(registry)).toBe(loopback);
});

test("a configuration takes references as they are, and says how registries are spoken with", () => {
  const config = parse(`${MINIMAL}
filters:
  keys: { component: oci://registry.example.com/team/keys:1.0 }
registries:
  registry.example.com: { credentials: docker.json }
  registry.internal:5000: { insecure: true }
  127.0.0.1:5000: {}
  localhost: { insecure: false }
`);

  expect(config.filters[0]?.component).toBe("oci://registry.example.com/team/keys:1.0");
  const usual = { insecure: false, ca: null, credentials: null };
  expect(config.registries).toEqual([
    { ...usual, registry: "registry.example.com", credentials: "/etc/sluice/docker.json" },
    { ...usual, registry: "registry.internal:5000", insecure: true },
    { ...usual, registry: "127.0.0.1:5000", insecure: true },
    { ...usual, registry: "localhost" },
  ]);
});

test.each([
  [
    "filters: { f: { component: oci://h/f } }",
    '6:28 filters.f.component: expected a tag or a digest after the name, like oci://registry.example.com/team/filter:1.0, got "oci://h/f"',
  ],
  [
    "registries: { HOST: {} }",
    '6:15 registries.HOST: expected a host, or host:port, in lower case, got "HOST"',
  ],
  [
    "registries: { h/team: {} }",
    '6:15 registries["h/team"]: expected a host, or host:port, in lower case, got "h/team"',
  ],
  [
    "registries: { h: { tls: false } }",
    '6:20 registries.h.tls: expected insecure, ca or credentials, got "tls"',
  ],
  [
    "registries: { h: { insecure: true, ca: ca.pem } }",
    "6:18 registries.h: expected a mapping with insecure, ca or credentials, and no ca where insecure is true, got a mapping",
  ],
  [
    "registries: { h: { ca: none.pem } }",
    "6:24 registries.h.ca: expected a file that can be read, got no such file",
  ],
])("%s", (line, complaint) => {
  expect(wrongWith(line)[0]).toBe(`sluice.yaml:${complaint}`);
});

test("without the option all is as usual", () => {
  expect(complaints(MINIMAL)).toEqual([]);
  expect(parse(MINIMAL).registries).toEqual([]);
});

test("the configuration in docs/filters/registry.md is one", () => {
  const page = readFileSync(new URL("../../docs/filters/registry.md", import.meta.url), "utf8");
  const [, example = ""] = /```yml\n([^]*?)```/.exec(page) ?? [];
  // What it names is on nobody's disk.
  const here = example.replace("ca: internal-ca.pem", "insecure: false");

  const { filters, registries } = parse(`${MINIMAL}${here}`);

  expect(filters.map(({ name }) => name)).toEqual(["keys", "limit"]);
  expect(registries).toHaveLength(3);
});
