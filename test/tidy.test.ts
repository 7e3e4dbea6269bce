/** The rules of this repository that no linter checks. */
import { readdirSync, readFileSync } from "node:fs";
import { basename, join, posix } from "node:path";
import { describe, expect, test } from "vitest";
import { FAILURES } from "../host/failure.ts";
import { METRICS } from "../host/ops/metrics.ts";

const ROOT = join(import.meta.dirname, "..");

describe("imports point one way", () => {
  /** The top level of the host, outermost first. A file uses those after it; types may be named from anywhere. */
  const ORDER = [
    ["index.ts"],
    ["host.ts"],
    ["worker.ts"],
    ["assembly.ts"],
    ["routes.ts"],
    // From here on each exchange comes by.
    ["generations.ts", "reception.ts", "routes.ts"],
    ["generation.ts", "listener.ts", "own-request.ts"],
    ["admission.ts", "exchange.ts"],
    ["outgoing.ts", "own-reply.ts"],
    ["observer.ts"],
    ["router.ts", "chain.ts", "upstream.ts"],
    ["passage.ts"],
    ["borrowing.ts", "outlet.ts", "stage.ts"],
    ["invocation.ts"],
    ["server.ts"],
    ["timeline.ts"],
    ["forwarding.ts"],
    [
      "message.ts",
      "held-body.ts",
      "fields.ts",
      "address-key.ts",
      "canonical-path.ts",
      "client-address.ts",
      "failure.ts",
      "forwarded-field.ts",
      "registry.ts",
      "server-timing.ts",
      "sweeper.ts",
    ],
  ];
  const rank = (file: string): number => ORDER.findIndex((level) => level.includes(file));
  const serves = (file: string): boolean => rank(file) >= rank("generation.ts");
  const leaf = (file: string): boolean => rank(file) === ORDER.length - 1;
  const within =
    (...folders: string[]) =>
    (file: string): boolean =>
      folders.some((folder) => file.startsWith(`${folder}/`));
  const oneOf =
    (...names: string[]) =>
    (target: string): boolean =>
      names.includes(target);
  const but =
    (some: (file: string) => boolean, ...excepted: string[]) =>
    (file: string): boolean =>
      some(file) && !excepted.includes(file);

  /** What a file must not know; not even as a type, where `types` says so. */
  const BARRIERS: readonly {
    why: string;
    from: (file: string) => boolean;
    to: (target: string) => boolean;
    types?: true;
  }[] = [
    {
      why: "filter/ never sees a socket",
      from: within("filter"),
      to: oneOf("node:net", "node:tls", "node:http", "node:https", "node:http2", "undici"),
      types: true,
    },
    {
      why: "filter/ does not know the path that calls it",
      from: within("filter"),
      to: (target) => rank(target) >= 0 && !leaf(target),
    },
    {
      why: "exchanges reach filter/ only through the chain",
      from: but(serves, "chain.ts", "passage.ts", "stage.ts", "borrowing.ts", "timeline.ts"),
      to: within("filter"),
    },
    {
      why: "nothing that serves an exchange reads a file",
      from: serves,
      to: oneOf("node:fs", "node:fs/promises"),
      types: true,
    },
    {
      why: "certificates and keys are read in the main thread alone",
      from: serves,
      to: oneOf("tls/pem-file.ts"),
      types: true,
    },
    {
      why: "nothing that serves an exchange knows the operator's side",
      from: serves,
      to: within("control", "cli", "oci"),
    },
    {
      why: "node:http stays inside the client's side",
      from: but(serves, "listener.ts", "client.ts"),
      to: oneOf("node:http"),
      types: true,
    },
    {
      why: "undici stays inside the upstream's file",
      from: but(serves, "upstream.ts"),
      to: oneOf("undici"),
      types: true,
    },
    {
      why: "a configuration is data and runs nothing",
      from: within("config"),
      to: (target) =>
        within("filter", "control", "ops", "cli", "oci")(target) || (rank(target) >= 0 && !leaf(target)),
    },
    {
      why: "nothing that serves traffic knows what filters are tested with",
      from: (file) => !within("kit", "cli")(file),
      to: within("kit"),
      types: true,
    },
    {
      why: "OpenTelemetry is loaded with the export of spans, and nowhere else",
      from: but(
        () => true,
        "trace/span-export.ts",
        "trace/span-maker.ts",
        "trace/span-queue.ts",
        "trace/given-ids.ts",
      ),
      to: (target) => target.startsWith("@opentelemetry/"),
      types: true,
    },
    {
      why: "the command is the outermost",
      from: (file) => !within("cli")(file),
      to: within("cli"),
    },
    {
      why: "the host runs without the rest of the repository",
      from: () => true,
      to: (target) => target.startsWith(".."),
      types: true,
    },
  ];

  test.each(BARRIERS.map((barrier) => [barrier.why, barrier] as const))("%s", (_, { from, to, types }) => {
    const crossings = hostImports()
      .filter((found) => from(found.file) && to(found.target) && (types === true || !found.type))
      .map((found) => `${found.file} imports ${found.target}`);
    expect(crossings).toEqual([]);
  });

  test("every file at the top has its place in the order and uses only what comes after it", () => {
    const top = (file: string): boolean => !file.includes("/") && !file.endsWith(".d.ts");
    const files = tracked("host", ".ts").filter(top);
    expect(
      files.filter((file) => rank(file) < 0),
      "these have no place in ORDER, above",
    ).toEqual([]);

    const backwards = hostImports()
      .filter(
        ({ file, target, type }) => !type && top(file) && rank(target) >= 0 && rank(target) < rank(file),
      )
      .map(({ file, target }) => `${file} imports ${target}`);
    expect(backwards).toEqual([]);
  });

  test("WebAssembly is named in filter/ only, and the environment in cli/ only", () => {
    const naming = (word: RegExp, allowed: RegExp): string[] =>
      tracked("host", ".ts").filter(
        (file) => !allowed.test(file) && word.test(withoutComments(text(`host/${file}`))),
      );
    expect(naming(/\bWebAssembly\b/, /^filter\/|^platform\.d\.ts$/)).toEqual([]);
    expect(naming(/\bprocess\.env\b/, /^(cli|config)\//)).toEqual([]);
  });

  test("a file that starts a thread names it in a way that also holds in dist/", () => {
    const wrong = tracked("host", ".ts").flatMap((file) =>
      linesOf(
        `host/${file}`,
        /new URL\(\s*["'`][^"'`]*\.ts/,
        (line) => !line.includes("import.meta.url.endsWith"),
      ),
    );
    expect(wrong, "tsc rewrites imports, not URLs: there is no .ts in dist/").toEqual([]);
  });
});

describe("docs/ says what is there", () => {
  test("architecture.md maps every source file of the host, and nothing else", () => {
    expect(codeMap("docs/architecture.md").sort()).toEqual(tracked("host", ".ts").sort());
  });

  test("failures.md explains every failure code with its status, fault and type, and nothing else", () => {
    const documented = tableRows("docs/failures.md", /^`[A-Z_]+`$/).map((cells) =>
      cells.slice(0, 4).join(" "),
    );
    const declared = Object.entries(FAILURES).map(
      ([code, { status, fault, error }]) => `\`${code}\` ${status} ${fault} \`${error}\``,
    );
    expect(documented.sort()).toEqual(declared.sort());
  });

  test("metrics.md explains every metric with type, unit and labels, and nothing else", () => {
    const documented = tableRows("docs/metrics.md", /^`sluice_\w+`$/).map((cells) =>
      cells.slice(0, 4).join(" | "),
    );
    const declared = Object.entries(METRICS).map(([name, { type, unit, labels }]) => {
      const names = labels.length === 0 ? "–" : labels.map((label) => `\`${label}\``).join(", ");
      return `\`${name}\` | ${type} | ${unit} | ${names}`;
    });
    expect(documented.sort()).toEqual(declared.sort());
  });
});

describe("nothing is left open", () => {
  test("no source puts work off or leaves a test out", () => {
    // Bracketed, so that this line does not find itself.
    const open = /\b([T]ODO|[F]IXME|[X]XX)\b|\.(only|skip|todo|fails)\(|#\[ignore/;
    expect(
      sources(".ts", ".tsx", ".rs", ".wit", ".sh", ".toml").flatMap((file) => linesOf(file, open)),
    ).toEqual([]);
  });

  test("every suppression of a lint or a type error carries its reason", () => {
    const bare = [
      ...sources(".ts", ".tsx").flatMap((file) => [
        ...linesOf(file, /(oxlint|eslint)-[d]isable/, (line) => !/ -- \S+ \S+/.test(line)),
        ...linesOf(file, /[b]iome-ignore/, (line) => !/ignore [^:]+: \S+ \S+/.test(line)),
        ...linesOf(file, /@ts-[e]xpect-error/, (line) => !/error:? \S+ \S+/.test(line)),
        ...linesOf(file, /@ts-([i]gnore|[n]ocheck)/),
      ]),
      ...sources(".rs").filter((file) => /#!?\[(allow|expect)\((?![^\]]*reason = )/.test(text(file))),
    ];
    expect(bare).toEqual([]);
  });

  test("files are named in kebab-case for what they hold", () => {
    const names = sources(".ts", ".tsx").map((file) => basename(file).replace(/(\.test|\.d)?\.tsx?$/, ""));
    expect(names.filter((name) => !/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name))).toEqual([]);
    expect(names.filter((name) => /^(utils?|helpers?|common|types|misc)$/.test(name))).toEqual([]);
  });

  test("private members are private to JavaScript, too", () => {
    const wrong = sources(".ts", ".tsx").flatMap((file) => linesOf(file, /^\s*private\s+(?!constructor)\w/));
    expect(wrong, "write #name").toEqual([]);
  });
});

interface Import {
  readonly file: string;
  /** Relative to host/ for its own files, as written for packages; starts with `..` outside of host/. */
  readonly target: string;
  readonly type: boolean;
}

function hostImports(): Import[] {
  const statement =
    /^(?:import|export)\s+(type\s)?(?:[^;"']*?\sfrom\s+)?["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']\s*\)/gm;
  return tracked("host", ".ts").flatMap((file) =>
    [...text(`host/${file}`).matchAll(statement)].map(([, type, named, awaited]) => {
      const target = named ?? awaited ?? "";
      return {
        file,
        target: target.startsWith(".") ? posix.join(posix.dirname(file), target) : target,
        type: type !== undefined,
      };
    }),
  );
}

/**
 * The files in the tree drawn under "## Code map": the first fenced block there, which begins with `host/`, one name a
 * line, indented by two spaces a level, each followed by what it is.
 */
function codeMap(file: string): string[] {
  const tree = /^## Code map$[\s\S]*?^```\w*\nhost\/.*\n([\s\S]*?)^```$/m.exec(text(file))?.[1] ?? "";
  const folders: string[] = [];
  return tree.split("\n").flatMap((line) => {
    const entry = /^( +)([\w.-]+(\/|\.ts))(\s|$)/.exec(line);
    if (entry === null) return [];
    const [, indent = "", name = "", kind] = entry;
    folders.length = indent.length / 2 - 1;
    if (kind !== "/") return [[...folders, name].join("/")];
    folders.push(name.slice(0, -1));
    return [];
  });
}

/** The cells of the table rows whose first cell looks like this. */
function tableRows(file: string, first: RegExp): string[][] {
  return text(file)
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .map((line) =>
      line
        .slice(1, line.lastIndexOf("|"))
        .split("|")
        .map((cell) => cell.trim()),
    )
    .filter(([cell = ""]) => first.test(cell));
}

/** Places in a file, as `file:line`, whose line matches and is not excused. */
function linesOf(file: string, wanted: RegExp, counts: (line: string) => boolean = () => true): string[] {
  return text(file)
    .split("\n")
    .flatMap((line, index) =>
      wanted.test(line) && counts(line) ? [`${file}:${index + 1} ${line.trim()}`] : [],
    );
}

/** What people wrote in this repository; generated files are not among it. */
function sources(...endings: string[]): string[] {
  return [
    "host",
    "dashboard",
    "scripts",
    "test",
    "bench",
    "examples",
    "filters",
    "meter",
    "templates",
    "wit",
  ].flatMap((folder) =>
    endings.flatMap((ending) => tracked(folder, ending).map((file) => `${folder}/${file}`)),
  );
}

function tracked(folder: string, ending: string): string[] {
  const entries = ((): string[] => {
    try {
      return readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" });
    } catch {
      // Not every folder of the layout is there yet.
      return [];
    }
  })();
  return entries.filter(
    (file) => file.endsWith(ending) && !/(^|\/)(target|node_modules|bindings|\.sluice)\//.test(file),
  );
}

function withoutComments(source: string): string {
  return source.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");
}

function text(file: string): string {
  return readFileSync(join(ROOT, file), "utf8");
}
