import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  type Scalar,
  type YAMLMap,
  type YAMLSeq,
} from "yaml";
import type { Json } from "./config.ts";
import { TEXT_BYTES_MAX, TEXT_DEPTH_MAX, TEXT_NODES_MAX } from "./limits.ts";
import { cut, excerpt, formatPath, type Path } from "./problem.ts";
import { coreMeaning, substitute, type Variables } from "./substitution.ts";

/** Something that is wrong at an offset into the text. */
export interface Finding {
  readonly offset: number;
  readonly path: string;
  readonly sentence: string;
}

/** A value with its place in the text. */
export interface Place {
  /** Changed only between the two readings of a substituted scalar. */
  value: Json;
  readonly offset: number;
  /** Of the key that the value is under; the value's own where it has none. */
  readonly keyOffset: number;
  readonly children: ReadonlyMap<string | number, Place>;
  /** A finding says already what is wrong with it. */
  readonly broken: boolean;
  readonly substituted: Substituted | null;
}

/** A scalar that variables were put into. */
export interface Substituted {
  readonly written: string;
  readonly text: string;
  /** The other way to read it: as text, or as a number, a boolean or nothing. */
  readonly otherwise: Json;
}

export interface Source {
  /** Undefined when the text cannot be made sense of as a whole. */
  readonly root: Place | undefined;
  readonly findings: readonly Finding[];
  readonly lines: LineCounter;
}

/** One wrong character can cause many errors after it: only the first ones help, and of a line only its first. */
const SYNTAX_ERRORS_SHOWN = 5;

/**
 * Reads YAML into plain values, and remembers where each stands.
 *
 * Variables are put in after the text has been parsed, so that none can add structure; without any (null) the text stays as it is
 * written. Everything that is
 * not plain data (tags, keys that are no text, numbers that lose digits) is refused here.
 */
export function readSource(text: string, variables: Variables | null): Source {
  const lines = new LineCounter();
  const refuse = (findings: readonly Finding[]): Source => ({ root: undefined, findings, lines });
  const bytes = Buffer.byteLength(text);
  if (bytes > TEXT_BYTES_MAX) {
    return refuse([
      { offset: 0, path: "", sentence: `expected at most ${TEXT_BYTES_MAX} bytes, got ${bytes}` },
    ]);
  }
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    // They would be compared each with each; the reader below finds them in one pass.
    uniqueKeys: false,
    // Dates, sets and the like have no meaning in a configuration.
    resolveKnownTags: false,
  });
  const errors = syntaxErrors(document, text, lines);
  if (errors.length > 0) return refuse(errors);

  const reader = new Reader(variables);
  const root = reader.read(document.contents, [], 0);
  return { root: reader.exhausted ? undefined : root, findings: reader.findings, lines };
}

function syntaxErrors(document: Document, text: string, lines: LineCounter): Finding[] {
  const seen = new Set<number>();
  const errors = [...document.errors, ...document.warnings].filter(({ pos }) => {
    const { line } = lines.linePos(pos[0]);
    return seen.size < SYNTAX_ERRORS_SHOWN && seen.size < seen.add(line).size;
  });
  return errors.map(({ code, message, pos: [offset] }) => {
    if (code === "RESOURCE_EXHAUSTION") return { offset, path: "", sentence: TOO_DEEP };
    if (code === "MULTIPLE_DOCS")
      return { offset, path: "", sentence: "expected one YAML document, got another one" };
    // Where a brace begins a mapping, YAML sees one in ${NAME}, too.
    const hint = /^.?\$\{/s.test(text.slice(Math.max(0, offset - 1), offset + 2))
      ? ' (put "${…}" in quotes within [ ] and { })'
      : "";
    return { offset, path: "", sentence: `expected YAML, got an error: ${cut(message)}${hint}` };
  });
}

const TOO_DEEP = `expected at most ${TEXT_DEPTH_MAX} levels of nesting, got more`;

/** Walks a document once, in the order of the text. */
class Reader {
  readonly findings: Finding[] = [];
  /** The document is larger than any configuration. Nothing that was read of it means anything. */
  exhausted = false;

  readonly #variables: Variables | null;
  /** The node that an alias stands for is the last one before it with its anchor. */
  readonly #anchors = new Map<string, Node>();
  readonly #open = new Set<Node>();
  #nodes = 0;

  constructor(variables: Variables | null) {
    this.#variables = variables;
  }

  /** `keyOffset` is that of the key that the node stands under, or undefined in a list. */
  read(node: Node | null, path: Path, at: number, keyOffset?: number): Place {
    // What is written as nothing has no place of its own: its key stands for it.
    const range = node?.range ?? [at, at];
    const offset = range[0] === range[1] ? (keyOffset ?? at) : range[0];
    const spot = { offset, keyOffset: keyOffset ?? offset };
    if (!this.#within(path, offset)) return broken(spot);
    if (node === null) return plain(spot, null);
    if (isAlias(node)) return this.#alias(node.source, path, spot);
    if (node.anchor !== undefined) this.#anchors.set(node.anchor, node);
    if (isScalar(node)) return this.#scalar(node, path, spot);

    this.#open.add(node);
    const place = isMap(node)
      ? this.#mapping(node, path, spot)
      : this.#list(node as YAMLSeq<Node>, path, spot);
    this.#open.delete(node);
    return place;
  }

  #mapping(node: YAMLMap, path: Path, spot: Spot): Place {
    const value: Record<string, Json> = {};
    const children = new Map<string, Place>();
    const offsets = new Map<string, number>();
    for (const pair of node.items) {
      const keyNode = pair.key as Node | null;
      const keyOffset = keyNode?.range?.[0] ?? spot.offset;
      const key = isScalar(keyNode) ? keyNode.value : undefined;
      // JavaScript would take `__proto__` for something else than a key.
      if (typeof key !== "string" || key === "__proto__") {
        this.#find(keyOffset, path, `expected a key that is text, got ${describeKey(keyNode)}`);
        continue;
      }
      if (isScalar(keyNode) && keyNode.anchor !== undefined) this.#anchors.set(keyNode.anchor, keyNode);
      const first = offsets.get(key);
      if (first !== undefined) {
        this.#find(keyOffset, [...path, key], `expected each key once, got ${excerpt(key)} a second time`);
        continue;
      }
      offsets.set(key, keyOffset);
      const child = this.read(pair.value as Node | null, [...path, key], keyOffset, keyOffset);
      value[key] = child.value;
      children.set(key, child);
    }
    return { ...plain(spot, value), children };
  }

  #list(node: YAMLSeq<Node>, path: Path, spot: Spot): Place {
    const items = node.items.map((item, index) => this.read(item, [...path, index], spot.offset));
    return {
      ...plain(
        spot,
        items.map((item) => item.value),
      ),
      children: new Map(items.entries()),
    };
  }

  #alias(name: string, path: Path, spot: Spot): Place {
    const target = this.#anchors.get(name);
    if (target === undefined)
      return this.#refuse(spot, path, `expected an anchor &${name} before its alias, got none`);
    if (this.#open.has(target))
      return this.#refuse(spot, path, `expected a value, got *${name}, which holds itself`);
    return { ...this.read(target, path, spot.offset, spot.keyOffset), ...spot };
  }

  #scalar(node: Scalar, path: Path, spot: Spot): Place {
    const { value } = node;
    if (typeof value === "string")
      return this.#text(value, node.type === "PLAIN" && node.tag === undefined, path, spot);
    if (value === null || typeof value === "boolean") return plain(spot, value);
    if (typeof value !== "number")
      return this.#refuse(spot, path, "expected plain data, got a value of another kind");
    const sentence = numberRefusal(value, node.source ?? "");
    return sentence === undefined ? plain(spot, value) : this.#refuse(spot, path, sentence);
  }

  /** Unquoted text is read as YAML reads it wherever both ways would do, quoted text as text. */
  #text(written: string, unquoted: boolean, path: Path, spot: Spot): Place {
    if (this.#variables === null) return plain(spot, written);
    const result = substitute(written, this.#variables);
    if (result.kind === "refused") return this.#refuse(spot, path, result.sentence);
    const { text } = result;
    if (result.variables === 0) return plain(spot, text);
    const meaning = coreMeaning(text);
    const [value, otherwise] = unquoted ? [meaning, text] : [text, meaning];
    return { ...plain(spot, value), substituted: { written, text, otherwise } };
  }

  #within(path: Path, offset: number): boolean {
    if (this.exhausted) return false;
    this.#nodes += 1;
    if (this.#nodes > TEXT_NODES_MAX) {
      this.exhausted = true;
      this.#find(offset, [], `expected at most ${TEXT_NODES_MAX} values, aliases counted in full, got more`);
    } else if (path.length > TEXT_DEPTH_MAX) {
      this.exhausted = true;
      this.#find(offset, [], TOO_DEEP);
    }
    return !this.exhausted;
  }

  #refuse(spot: Spot, path: Path, sentence: string): Place {
    this.#find(spot.offset, path, sentence);
    return broken(spot);
  }

  #find(offset: number, path: Path, sentence: string): void {
    this.findings.push({ offset, path: formatPath(path), sentence });
  }
}

interface Spot {
  readonly offset: number;
  readonly keyOffset: number;
}

function plain(spot: Spot, value: Json): Place {
  return { ...spot, value, children: new Map(), broken: false, substituted: null };
}

function broken(spot: Spot): Place {
  return { ...plain(spot, null), broken: true };
}

function describeKey(node: Node | null): string {
  if (isScalar(node))
    return typeof node.value === "string" ? node.value : `${String(node.value)} (put it in quotes)`;
  return isMap(node) ? "a mapping" : isSeq(node) ? "a list" : "an alias";
}

function numberRefusal(value: number, source: string): string | undefined {
  if (!Number.isFinite(value)) return `expected a finite number, got ${source}`;
  // 12345678901234567890 would silently become 12345678901234567000.
  if (Number.isInteger(value) && !Number.isSafeInteger(value) && !/[.eE]/.test(source)) {
    return `expected a whole number within ±${Number.MAX_SAFE_INTEGER}, got ${source} (put it in quotes to keep its digits)`;
  }
  return undefined;
}
