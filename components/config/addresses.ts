/** Arithmetic on IPv4 addresses and networks in their usual notation; callers pass valid ones. */

const toNumber = (address: string): number =>
  address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);

const toAddress = (value: number): string =>
  [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join(".");

/** First and last address of a network, both included. */
function bounds(cidr: string): { first: number; last: number; prefix: number } {
  const [address = "", length = ""] = cidr.split("/");
  const size = 2 ** (32 - Number(length));
  const first = Math.floor(toNumber(address) / size) * size;
  return { first, last: first + size - 1, prefix: Number(length) };
}

/** Whether `cidr` names its network address, as 192.168.122.0/24 does and 192.168.122.1/24 does not. */
export const isNetworkAddress = (cidr: string): boolean =>
  toNumber(cidr.split("/")[0] ?? "") === bounds(cidr).first;

/** Whether a machine may have the address: inside, and neither the network's nor the broadcast address. */
export function isHostOf(cidr: string, address: string): boolean {
  const { first, last } = bounds(cidr);
  return toNumber(address) > first && toNumber(address) < last;
}

/** Whether an address lies in a network, its first and last one included. */
export const contains = (cidr: string, address: string): boolean => overlap(cidr, `${address}/32`);

/** The network that an address with a prefix lies in: 192.168.122.0/24 of 192.168.122.7/24. */
export const networkOf = (cidr: string): string => `${toAddress(bounds(cidr).first)}/${bounds(cidr).prefix}`;

/** The network's first host address, which libvirt gives to the bridge. */
export const gatewayOf = (cidr: string): string => toAddress(bounds(cidr).first + 1);

/** The address of that number in a network: 10.233.0.10 is number 10 of 10.233.0.0/18. */
export const addressIn = (cidr: string, number: number): string => toAddress(bounds(cidr).first + number);

/** Whether two networks have addresses in common. */
export function overlap(a: string, b: string): boolean {
  const [one, other] = [bounds(a), bounds(b)];
  return one.first <= other.last && other.first <= one.last;
}

/** The length of a network's prefix: 24 of 192.168.122.0/24. */
export const prefixOf = (cidr: string): number => bounds(cidr).prefix;

/** Whether `address` lies between `start` and `end`, both included. */
export const isBetween = (address: string, start: string, end: string): boolean =>
  toNumber(address) >= toNumber(start) && toNumber(address) <= toNumber(end);
