import { resolve } from "node:path";
import { PemRefused, readAuthorities, readPair } from "../tls/pem-file.ts";
import { placeAt } from "./issue.ts";
import { formatPath, type Path } from "./problem.ts";
import type { Finding, Place } from "./source.ts";

/**
 * Finds what is wrong with the options of TLS beyond their form: files that cannot be used, and options that need each other.
 * The files are read here so that the problem has the place of its option; what is read is thrown away.
 */
export function findTlsProblems(root: Place, folder: string): Finding[] {
  const listeners = keysAt(root, ["listen"]).flatMap((key) => {
    const tls: Path = ["listen", key, "tls"];
    const pairs = keysAt(root, [...tls, "certificates"]).flatMap((at) =>
      pairProblems(root, [...tls, "certificates", at], folder),
    );
    return [...pairs, ...caProblems(root, [...tls, "client-ca"], folder), ...clientProblems(root, tls)];
  });
  const upstreams = keysAt(root, ["upstreams"]).flatMap((name) => upstreamProblems(root, name, folder));
  const registries = keysAt(root, ["registries"]).flatMap((name) =>
    caProblems(root, ["registries", name, "ca"], folder),
  );
  return [...listeners, ...upstreams, ...registries];
}

function upstreamProblems(root: Place, name: string | number, folder: string): Finding[] {
  const path: Path = ["upstreams", name, "tls"];
  const tls = placeAt(root, path).place;
  if (tls === undefined || tls.children.size === 0) return [];
  const servers = keysAt(root, ["upstreams", name, "servers"]).map((at) =>
    textAt(root, ["upstreams", name, "servers", at]),
  );
  const findings = [...pairProblems(root, path, folder), ...caProblems(root, [...path, "ca"], folder)];
  if (servers.length > 0 && servers.every((server) => server?.startsWith("http://")))
    findings.push(at(root, path, "expected a server that begins with https:// beside tls, got none"));
  const [cert, key] = [textAt(root, [...path, "cert"]), textAt(root, [...path, "key"])];
  if (cert !== undefined && key === undefined && !has(root, [...path, "key"]))
    findings.push(at(root, [...path, "cert"], "expected a key beside it, got none"));
  if (key !== undefined && cert === undefined && !has(root, [...path, "cert"]))
    findings.push(at(root, [...path, "key"], "expected a cert beside it, got none"));
  return findings;
}

function pairProblems(root: Place, path: Path, folder: string): Finding[] {
  const [cert, key] = [textAt(root, [...path, "cert"]), textAt(root, [...path, "key"])];
  if (cert === undefined || key === undefined) return [];
  try {
    readPair(resolve(folder, cert), resolve(folder, key));
    return [];
  } catch (error) {
    if (!(error instanceof PemRefused)) throw error;
    return [at(root, [...path, error.part], error.sentence)];
  }
}

function caProblems(root: Place, path: Path, folder: string): Finding[] {
  const file = textAt(root, path);
  if (file === undefined) return [];
  try {
    readAuthorities(resolve(folder, file));
    return [];
  } catch (error) {
    if (!(error instanceof PemRefused)) throw error;
    return [at(root, path, error.sentence)];
  }
}

function clientProblems(root: Place, tls: Path): Finding[] {
  const path = [...tls, "client-certificates"];
  const asked = textAt(root, path);
  const known = has(root, [...tls, "client-ca"]);
  if (asked === "none" && known)
    return [at(root, path, "expected optional or required beside client-ca, got none")];
  if ((asked === "optional" || asked === "required") && !known)
    return [at(root, path, `expected client-ca beside it, got ${asked} alone`)];
  return [];
}

function keysAt(root: Place, path: Path): (string | number)[] {
  return [...(placeAt(root, path).place?.children.keys() ?? [])];
}

function has(root: Place, path: Path): boolean {
  return placeAt(root, path).place !== undefined;
}

/** Undefined for what the schema refuses anyway. */
function textAt(root: Place, path: Path): string | undefined {
  const { place, broken } = placeAt(root, path);
  return broken || typeof place?.value !== "string" || place.value === "" || place.value.includes("\0")
    ? undefined
    : place.value;
}

function at(root: Place, path: Path, sentence: string): Finding {
  const { place } = placeAt(root, path);
  return { offset: place?.offset ?? 0, path: formatPath(path), sentence };
}
