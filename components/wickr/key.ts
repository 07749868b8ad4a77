import { pbkdf2Sync } from "node:crypto";

/** Most bytes of a salt that the guide's script takes: `xxd -ps` breaks the line after them. */
export const longestGuideSalt = 30;

/**
 * The key of a disk as the guide's script derives it, byte for byte what this prints:
 * `nettle-pbkdf2 --iterations=1000000 --length=16 --hex-salt … | tr -d " "`. The line feed that ends it is part of the key.
 */
export const guideKey = (password: string, salt: string): string =>
  keyText(pbkdf2Sync(password, salt, 1_000_000, 16, "sha256").toString("hex"));

/** A key, in hexadecimal digits, as cryptsetup is given it. */
export const keyText = (digits: string): string => `${digits}\n`;
