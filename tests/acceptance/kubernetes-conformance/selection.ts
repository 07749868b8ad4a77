/** Why some of the conformance tests are not run. */
export interface Rule {
  /** Regular expression for a test's name, understood by Go and by JavaScript. */
  readonly pattern: string;
  /** For people, after "left out: ". */
  readonly reason: string;
}

/** What every test that counts has in its name. */
export const conformance = String.raw`\[Conformance\]`;

/**
 * Which conformance tests are left out of a run, the first rule that fits a name giving the reason.
 * @param nodes number of Kubernetes nodes.
 * @param all whether those that take long, and those that disturb all others, are run as well.
 */
export const rulesFor = (nodes: number, all: boolean): readonly Rule[] => [
  ...(all
    ? []
    : [
        // They taint nodes, take pods off them, and fill them: with Wire's pods beside them, and one after another.
        {
          pattern: String.raw`\[Serial\]`,
          reason: "`[Serial]`, they change the whole cluster for all others",
        },
        { pattern: String.raw`\[Slow\]`, reason: "`[Slow]`, each needs minutes of waiting" },
      ]),
  // It reads the image's os-release, and ours is not Alpine's.
  { pattern: "ImageVolume", reason: "wants a file of Alpine Linux in an image that is Debian here" },
  // It counts nodes and does nothing else.
  ...(nodes < 2 ? [{ pattern: "should have at least two untainted nodes", reason: "wants two nodes" }] : []),
];

/** The reason for which a conformance test is left out; undefined if it is to be run. */
export const leftOut = (name: string, rules: readonly Rule[]): string | undefined =>
  rules.find(({ pattern }) => new RegExp(pattern).test(name))?.reason;

/**
 * Ginkgo's arguments for the same choice.
 * @param words narrow it to tests that have one of them in their names; none narrows nothing.
 * @param ended names of tests that need not be run again.
 */
export const ginkgoChoice = (
  rules: readonly Rule[],
  words: readonly string[],
  ended: readonly string[],
): string[] => [
  ...(words.length === 0 ? [""] : words).map((word) => `--focus=${quoted(word)}.*${conformance}`),
  ...rules.map(({ pattern }) => `--skip=${pattern}`),
  // Ginkgo matches against the name with its labels behind it.
  ...ended.map((name) => `--skip=${quoted(name)}`),
];

/** A word that stands for itself in a regular expression. */
const quoted = (word: string): string => word.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
