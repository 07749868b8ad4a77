import { createHash } from "node:crypto";
import { isIPv6 } from "node:net";

/** Arithmetic on the overlay's IPv6 networks; callers pass valid ones. */

const allBits = 128n;

function toNumber(address: string): bigint {
  const [head = "", tail] = address.split("::");
  const groups = (text: string) => (text === "" ? [] : text.split(":"));
  const front = groups(head);
  const back = groups(tail ?? "");
  const zeros = Array.from({ length: tail === undefined ? 0 : 8 - front.length - back.length }, () => "0");
  return [...front, ...zeros, ...back].reduce((sum, group) => (sum << 16n) + BigInt(`0x${group}`), 0n);
}

/** The form of RFC 5952, which everything that prints an address uses. */
function toAddress(value: bigint): string {
  const groups = Array.from({ length: 8 }, (_, index) =>
    ((value >> BigInt(112 - 16 * index)) & 0xffffn).toString(16),
  ).join(":");
  return new URL(`http://[${groups}]`).hostname.slice(1, -1);
}

function bounds(cidr: string): { readonly first: bigint; readonly last: bigint; readonly length: number } {
  const [address = "", length = ""] = cidr.split("/");
  const size = 1n << (allBits - BigInt(length));
  const first = (toNumber(address) / size) * size;
  return { first, last: first + size - 1n, length: Number(length) };
}

/** Whether a text is an IPv6 network with all bits behind its prefix zero, in hexadecimal groups alone: `fd51::/16`. */
export function isIpv6Network(text: string): boolean {
  const [address = "", length = "", ...rest] = text.split("/");
  return (
    rest.length === 0 &&
    isIPv6(address) &&
    !/[.%]/.test(address) &&
    /^\d{1,3}$/.test(length) &&
    Number(length) <= 128 &&
    toNumber(address) === bounds(text).first
  );
}

/** A network as everything prints it. */
export const canonical = (cidr: string): string => `${toAddress(bounds(cidr).first)}/${bounds(cidr).length}`;

/** Whether all addresses of `inner` lie in `outer`. */
export function includes(outer: string, inner: string): boolean {
  const [one, other] = [bounds(outer), bounds(inner)];
  return one.first <= other.first && other.last <= one.last;
}

/** Whether two networks have addresses in common: of two prefixes one then includes the other. */
export const overlap = (a: string, b: string): boolean => includes(a, b) || includes(b, a);

/** The length of a network's prefix. */
export const lengthOf = (cidr: string): number => bounds(cidr).length;

/**
 * The /64 of a site within the mesh's range, where nobody has assigned one: the bits between both come from its zone, so that
 * two sites of different names have different ones without anybody who counts (RFC 4193 draws them at random).
 */
export function prefixFor(zone: string, range: string): string {
  const { first, length } = bounds(range);
  const free = BigInt(64 - length);
  const drawn = BigInt(`0x${createHash("sha256").update(zone).digest("hex").slice(0, 16)}`) >> (64n - free);
  return `${toAddress(first + (drawn << 64n))}/64`;
}

/** The address of that number in a site's prefix: `::fe` is number 0xfe. */
export const addressAt = (prefix: string, number: number): string =>
  toAddress(bounds(prefix).first + BigInt(number));

/** The address of a label in a site's prefix: it follows from the label, so that it stays whatever else comes and goes. */
export function addressOf(prefix: string, label: string): string {
  const drawn = BigInt(`0x${createHash("sha256").update(label).digest("hex").slice(0, 16)}`);
  // Away from the low numbers, which are the site's own.
  return toAddress(bounds(prefix).first + (drawn | (1n << 63n)));
}
