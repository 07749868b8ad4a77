import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { basename, dirname, join } from "node:path";
import { distance } from "fastest-levenshtein";

/**
 * How messages name what somebody has typed. Whatever is typed may be a key, a password or a token in the wrong place,
 * and messages end in logs, tickets and chats: so they show the beginning of it, and its place tells the rest.
 */

/** Text up to this length is no secret worth the name, and is shown. */
const harmlessLength = 3;

/** Addresses and networks are nobody's password, and a message without them would be a riddle. */
const address = /^\d{1,3}(\.\d{1,3}){3}(\/\d{1,2})?$/;

/** Numbers that are sizes, counts or ports. */
const size = /^(-?\d{1,5}(\.\d{1,4})?|true|false|null|undefined)$/;

/** The first characters of a text, of which there are never more than three, nor more than a third. */
const beginning = (text: string): string =>
  text.slice(0, Math.min(harmlessLength, Math.floor(text.length / 3)));

/** Names any value without giving it away: at most three characters of a text, and numbers of five digits. */
export function quote(value: unknown): string {
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === "object" && value !== null) return "a section";
  const text = String(value);
  if (typeof value !== "string" && size.test(text)) return text;
  return text.length <= harmlessLength || address.test(text)
    ? JSON.stringify(value)
    : `${JSON.stringify(`${beginning(text)}…`)} (${text.length} characters)`;
}

/** Names a key that is not known: in full where it is close to one that is, as a slip of the pen would be. */
export function quoteKey(key: string, known: readonly string[]): string {
  const near = known.some((one) => distance(key, one) <= Math.max(2, Math.floor(one.length / 3)));
  return near || key.length <= harmlessLength ? key : `${beginning(key)}…`;
}

/** What files are called that a stack names; no key, password or token ends so. */
const fileName = /^[\w.-]{1,40}\.(crt|img|json|key|pem|pub|qcow2|tar|tgz|txt|ya?ml)$/;

/**
 * Names a file: in full if it is there or has a file's name in a folder that is, else as far as its folder is; the content
 * of a key is no path.
 */
export function quotePath(path: string): string {
  const exists = (one: string) => existsSync(expandHome(one));
  if (path.includes("\n")) return `${quote(path)}, which is the content of a file, not its path,`;
  if (exists(path)) return path;
  const folder = dirname(path);
  if (!path.includes("/") || !exists(folder)) return quote(path);
  return fileName.test(basename(path)) ? path : join(folder, `${beginning(basename(path))}…`);
}

/** Expands a leading `~/` as a shell would. */
export const expandHome = (path: string): string => path.replace(/^~(?=\/|$)/, homedir());

/** Names a URL without user, password and query, or whatever else was given in place of one. */
export function quoteUrl(url: string): string {
  if (!/^(https?|oci):\/\//.test(url) || !URL.canParse(url)) return quotePath(url);
  const { protocol, host, pathname, search } = new URL(url);
  return `${protocol}//${host}${pathname}${search && "?…"}`;
}
