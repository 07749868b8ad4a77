import { describe, expect, it } from "vitest";
import { guideKey } from "../../components/wickr/key";

/** Inputs that a shell script loses something of, and their keys as nettle-pbkdf2 3.8.1 printed them. */
const known: readonly (readonly [password: string, salt: string, key: string])[] = [
  ["password", "salt", "505112a590be61ac9d3a235bf0a8eece"],
  ["two words", "salt word", "bffa9227b02e94980148b5aad541e4fd"],
  [" leading and trailing ", "a b  c", "f04cc5fb6628888e0e55b23d1cf6e2bd"],
  ['it\'s "quoted"', "'", "e33cefb89f67d0867a8dfd663c9bab28"],
  ["back\\slash\\n", "\\", "e07467d98066c33a68d27d1108a9f197"],
  ["-n", "-e", "848ed4d2436a6af60011217e0e832379"],
  ["*", "?", "ee5255b2a1a4f519545def44754c296b"],
  ["Straße Ä ö ü", "Gewürz", "39f73c01f2fa84242e9f32427cda0524"],
  ["$HOME `id` $(id)", "!#&;|", "7ef0806aad45fd147e9d44c9b4c1d419"],
  [
    "pppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp",
    "0123456789abcdef0123456789abcd",
    "614f4b85094d6b7cd3e3aa86f5767446",
  ],
];

describe("the key of the guide's script", () => {
  it.each(known)("is the known one for %j and %j, 33 bytes long", (password, salt, key) => {
    const made = guideKey(password, salt);
    expect(made).toBe(`${key}\n`);
    expect(Buffer.byteLength(made)).toBe(33);
  });
});
