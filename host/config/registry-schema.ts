import * as z from "zod";
import type { RegistryConfig } from "./config.ts";
import { isLoopback, isRegistry, REGISTRY_PATTERN } from "./oci-reference.ts";
import { flag, mapping, named, text } from "./shape.ts";

/** How registries are spoken with, by host. Whether the files can be read is found with their folder in view. */
export function registries(): z.ZodType<readonly RegistryConfig[]> {
  const host = text("a host, or host:port, in lower case", REGISTRY_PATTERN, (input) =>
    isRegistry(input) ? input : undefined,
  );
  return named("a mapping from hosts to how they are spoken with", host, registry())
    .prefault({})
    .describe("How the registries are spoken with that `component: oci://…` names, by host or host:port.")
    .transform((input) =>
      Object.entries(input).map(([name, { insecure, ca, credentials }]) => ({
        registry: name,
        insecure: insecure ?? (ca === undefined && isLoopback(name)),
        ca: ca ?? null,
        credentials: credentials ?? null,
      })),
    );
}

interface RegistryDraft {
  readonly insecure?: boolean | undefined;
  readonly ca?: string | undefined;
  readonly credentials?: string | undefined;
}

function registry(): z.ZodType<RegistryDraft> {
  const expected = "a mapping with insecure, ca or credentials";
  return mapping(expected, {
    insecure: flag()
      .optional()
      .describe(
        "Whether it is spoken with in the clear; `true` for hosts of this machine without `ca`, otherwise `false`.",
      ),
    ca: path("the path of a file with certificates in PEM")
      .optional()
      .describe(
        "Who signs its certificate, and those of hosts that it redirects to, instead of the authorities that Node knows.",
      ),
    credentials: path("the path of a docker config file")
      .optional()
      .describe(
        "Where its credentials are, instead of `$DOCKER_CONFIG/config.json` or `~/.docker/config.json`.",
      ),
  }).transform((input, context) => {
    if (input.insecure === true && input.ca !== undefined) {
      context.addIssue({ code: "custom", message: `${expected}, and no ca where insecure is true` });
      return z.NEVER;
    }
    return input;
  });
}

function path(expected: string): z.ZodType<string, string> {
  return text(expected, /^[^\0]+$/, (input) => input);
}
