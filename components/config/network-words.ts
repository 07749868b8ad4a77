import { isIPv4 } from "node:net";

/** Names and addresses as people write them, with what is wrong with those that are none. */

/** A name or an IPv4 address; a name's last label is no number, or it would be an address that is none. */
export const serverName =
  /^(?=.{1,253}$)(?!.*(^|\.)\d+$)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$|^((25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)$/;

/** Four numbers, however they are written. */
const numbers = /^(\d{1,4})\.(\d{1,4})\.(\d{1,4})\.(\d{1,4})$/;

/** The same address without leading zeros, which some programs read as octal; undefined where it is none. */
function plainly(text: string): string | undefined {
  const parts = numbers.exec(text)?.slice(1).map(Number);
  const address = parts?.join(".") ?? "";
  return isIPv4(address) ? address : undefined;
}

/** The length of the prefix that a network's mask has; undefined for what is no mask. */
function prefixOfMask(mask: string): number | undefined {
  const bits = plainly(mask)
    ?.split(".")
    .map((part) => Number(part).toString(2).padStart(8, "0"))
    .join("");
  return bits && /^1*0*$/.test(bits) ? bits.replaceAll("0", "").length : undefined;
}

/** What is wrong with a text that should be an IPv4 address, with the one that is near. */
export function wrongAddress(input: unknown): string {
  const rule = "must be an IPv4 address such as 192.168.122.21";
  const [address = "", ...others] = typeof input === "string" ? input.trim().split(/[/:]/) : [];
  const near = plainly(address);
  if (near === undefined) return rule;
  return others.length > 0
    ? `must be an IPv4 address alone, without prefix or port: ${near}`
    : `must be an IPv4 address as programs write it: ${near}`;
}

/** What is wrong with a text that should be an IPv4 network, with the one that is near. */
export function wrongNetwork(input: unknown): string {
  const rule = "must be an IPv4 network such as 192.168.122.0/24";
  const [address = "", length = ""] = typeof input === "string" ? input.trim().split("/") : [];
  const near = plainly(address);
  if (near === undefined) return rule;
  if (length === "") return `must be an IPv4 network with the length of its prefix, such as ${near}/24`;
  const prefix = /^\d{1,4}$/.test(length) ? Number(length) : prefixOfMask(length);
  return prefix !== undefined && prefix <= 32
    ? `must be an IPv4 network as programs write it: ${near}/${prefix}`
    : `${rule}: the prefix has 0 to 32 bits`;
}
