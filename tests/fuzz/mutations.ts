import { type Document, isMap, isScalar, isSeq, parseDocument, type Scalar, visit } from "yaml";

/** Numbers that look random and are the same for the same seed (mulberry32), from 0 to below 1. */
export function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Words that stand in for what somebody has typed in the wrong place: no message may have them. */
export const secrets = [
  "hunter2-Correct-Horse-Battery",
  "ghp_0123456789abcdefABCDEF0123456789abcd",
  "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAE\n-----END OPENSSH PRIVATE KEY-----\n",
  "amqp://wire:Tr0ub4dor-and-3@rabbit.example.com/",
  "90210481516234278",
];

/** What is looked for in messages: pieces of the secrets that nobody would write otherwise. */
export const tellTales = [
  "Correct-Horse",
  "456789abcdefABCDEF",
  "zaC1rZXktdjEAAAA",
  "Tr0ub4dor",
  "90210481516",
];

const values = [
  ...secrets,
  ...[
    "",
    " ",
    "null",
    "yes",
    "010",
    "0x10",
    "1_000",
    "12:30:00",
    "2024-01-01",
    ".inf",
    ".nan",
    "-0",
    "1e400",
    "~",
  ],
  ...[
    "192.168.122.0/24",
    "192.168.122.1",
    "127.0.0.1",
    "255.255.255.255",
    "0.0.0.0/0",
    "224.0.0.0/4",
    "999.1.1.1",
  ],
  ...[
    "default",
    "all",
    "ip",
    "root",
    "ready",
    "localhost",
    "../../etc/passwd",
    "-oProxyCommand=x",
    "a b",
    "$(id)",
  ],
  ...[
    "64 GB",
    "30 2 * * *",
    "\u0000",
    "\uFEFF",
    "ü",
    "a".repeat(300),
    "constructor",
    "__proto__",
    "toString",
  ],
];

const keys = [
  ...secrets,
  "__proto__",
  "constructor",
  "toString",
  "password",
  "existing",
  "disk",
  "",
  "0",
  "a.b[3]",
];
const structures = [[], {}, [[]], [{}], null, true, 0, -1, 1.5, 1e21, { secure: "x" }, { __proto__: null }];

type Random = () => number;

const oneOf = <T>(items: readonly T[], random: Random): T => items[Math.floor(random() * items.length)] as T;

/** The nodes of a document that a mutation may put something else in the place of. */
function nodesOf(document: Document): { scalars: Scalar[]; maps: any[]; lists: any[] } {
  const found = { scalars: [] as Scalar[], maps: [] as any[], lists: [] as any[] };
  visit(document, {
    Node: (_, node) => {
      if (isScalar(node)) found.scalars.push(node);
      if (isMap(node)) found.maps.push(node);
      if (isSeq(node)) found.lists.push(node);
    },
  });
  return found;
}

/** Changes of the tree: each makes a file that is still YAML, or nearly so. */
const changes: readonly ((document: Document, random: Random) => void)[] = [
  // Another value or key.
  (document, random) => {
    const scalar = oneOf(nodesOf(document).scalars, random);
    if (!scalar) return;
    scalar.value = oneOf(values, random);
    scalar.type = oneOf(["PLAIN", "QUOTE_DOUBLE", "QUOTE_SINGLE"] as const, random);
  },
  (document, random) => {
    const map = oneOf(nodesOf(document).maps, random);
    const pair = oneOf<any>(map?.items ?? [], random);
    if (pair) pair.value = document.createNode(oneOf(structures, random));
  },
  (document, random) => {
    const map = oneOf(nodesOf(document).maps, random);
    map?.items.push(document.createPair(oneOf(keys, random), oneOf([...values, ...structures], random)));
  },
  (document, random) => {
    const map = oneOf(nodesOf(document).maps, random);
    map?.items.splice(Math.floor(random() * map.items.length), 1);
  },
  (document, random) => {
    const list = oneOf(nodesOf(document).lists, random);
    if (list?.items.length > 0)
      oneOf(
        [() => list.items.splice(1, 1), () => list.items.push(list.items[0]), () => list.items.reverse()],
        random,
      )();
  },
  // A number turned about.
  (document, random) => {
    const numbers = nodesOf(document).scalars.filter(({ value }) => typeof value === "number");
    const scalar = oneOf(numbers, random);
    if (scalar)
      scalar.value = oneOf(
        [0, -1, 0.1, 1e9, 2 ** 53, Number(scalar.value) / 3, Number(scalar.value) * 1000],
        random,
      );
  },
];

/** Changes of the text itself, as a slip of the pen or a broken transfer makes them. */
const slips: readonly ((text: string, random: Random) => string)[] = [
  (text, random) => text.slice(0, Math.floor(random() * text.length)),
  (text, random) => {
    const at = Math.floor(random() * text.length);
    return (
      text.slice(0, at) +
      oneOf(["\t", ":", "-", "{", "]", '"', "\n", "#", "&a ", "*a ", "!!", "%", "\u0000"], random) +
      text.slice(at)
    );
  },
  (text, random) => {
    const lines = text.split("\n");
    const at = Math.floor(random() * lines.length);
    lines.splice(
      at,
      1,
      ...oneOf([[], [lines[at] ?? "", lines[at] ?? ""], [`  ${lines[at]}`], ["---"]], random),
    );
    return lines.join("\n");
  },
  (text, random) =>
    text.replaceAll("wiab-staging:", oneOf(["wiab-stagin:", "aws:", "", "wiab-staging:config:"], random)),
  (text, random) => `${text}\n---\n${oneOf(secrets, random)}: 1\n`,
  (text) => `\uFEFF${text.replaceAll("\n", "\r\n")}`,
];

/** A stack's file with one to four things wrong, which those are follows from the random numbers. */
export function mutate(text: string, random: Random): string {
  let mutated = text;
  const document = parseDocument(text);
  const count = 1 + Math.floor(random() * 4);
  for (let index = 0; index < count; index++) oneOf(changes, random)(document, random);
  try {
    mutated = document.toString();
  } catch {
    // Some trees cannot be written: a list that holds itself, an anchor without a name.
  }
  return random() < 0.3 ? oneOf(slips, random)(mutated, random) : mutated;
}
