import { isProgram, unpackInput } from "../components/machine/script";

/** How the engine marks a secret in what it exports. */
const mark = "4dabf18193072939515e22adb298388d";

/** Shorter ones are words and numbers that anything may have in it: of a text of several words, and of one as a whole. */
const shortest = { word: 8, whole: 6 };

/** A value of a state with its secrets in plain. */
// biome-ignore lint/suspicious/noExplicitAny: any value
export function plain(value: any): any {
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== "object") return value;
  if (mark in value) return plain(JSON.parse(value.plaintext));
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
}

/**
 * Gives a function that blots out every secret of a stack in a text: each as a whole, and each word of those that are made
 * of several, such as the lines of a private key or the password in a settings file, as they stand, in Base64 and as a URL has
 * them. Those of fewer than six characters cannot be told from other words. Words that the state has in plain as
 * well (addresses, names, certificates) stay.
 * @param deployment - As the engine exports it, with secrets marked and in plain.
 */
export function redactor(deployment: unknown): (text: string) => string {
  const words = new Words();
  words.visit(deployment);
  const secret = [...words.secret].filter((word) => !words.open.has(word));
  const all = [...new Set(secret.flatMap(formsOf))].sort((a, b) => b.length - a.length);
  if (all.length === 0) return (text) => text;
  const pattern = new RegExp(all.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|"), "g");
  return (text) => text.replace(pattern, "(secret)");
}

/** A word as other texts may have it. */
const formsOf = (word: string): string[] => [
  word,
  encodeURIComponent(word),
  Buffer.from(word).toString("base64").replace(/=+$/, ""),
];

/** The words of a state, those of its secrets apart. */
class Words {
  readonly secret = new Set<string>();
  readonly open = new Set<string>();

  visit(value: unknown, hidden = false): void {
    if (typeof value === "string") this.take(value, hidden);
    else if (Array.isArray(value)) for (const inner of value) this.visit(inner, hidden);
    else if (value !== null && typeof value === "object") {
      const { stdin, environment } = value as { stdin?: unknown; environment?: unknown };
      if (mark in value) this.visit(JSON.parse(String(Object(value).plaintext)), true);
      else if (stdin !== undefined && this.visitScript(plain(stdin), environment ?? {}))
        this.visit({ ...value, stdin: undefined }, hidden);
      else for (const inner of Object.values(value)) this.visit(inner, hidden);
    }
  }

  /** Of what a script is given, what its environment does not show is secret. Gives false for what is no such script. */
  private visitScript(stdin: unknown, environment: object): boolean {
    let unpacked: ReturnType<typeof unpackInput>;
    try {
      unpacked = unpackInput(String(stdin));
    } catch {
      return false;
    }
    this.take(unpacked.script, false);
    for (const [name, value] of Object.entries(unpacked.parameters))
      this.take(value, !(name in environment || isProgram(value)));
    return true;
  }

  /** What stands between spaces, quotes and the like. */
  private take(text: string, hidden: boolean): void {
    const into = hidden ? this.secret : this.open;
    const whole = text.trim();
    if (whole.length >= shortest.whole && !whole.includes("\n")) into.add(whole);
    for (const word of text.split(/[\s"'`,;<>(){}[\]\\]+/))
      for (const part of [word, ...word.split(/[=:@|]/)]) if (part.length >= shortest.word) into.add(part);
  }
}
