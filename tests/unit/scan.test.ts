import { expect, it } from "vitest";
import { compareScan, everyPort, expectedInPublic, expectedOfHost } from "../acceptance/verify/scan";

// What `npm run lab:verify` makes of the answers to its scans; tests/scripts/firewall-scan.test.ts sends packets.

const publicPorts = [
  { protocol: "tcp", ports: "80", target: "192.168.230.21 port 31772" },
  { protocol: "tcp", ports: "443", target: "192.168.230.21 port 31773" },
  { protocol: "udp", ports: "3478", target: "192.168.230.21" },
  { protocol: "udp", ports: "32768-65535", target: "192.168.230.21" },
] as const;
const wire = {} as any;

it("says what answers where that is what is listed, and names each port that differs", () => {
  const expected = { answers: ["udp/53", "udp/123"], may: (port: string) => port === "tcp/22" };
  expect(compareScan("a udp/53\na udp/123\n", expected)).toBe("udp/123, udp/53 and nothing else");
  expect(compareScan("a tcp/22\na udp/53\na udp/123\n", expected)).toContain("tcp/22");
  expect(compareScan("", { answers: [] })).toBe("nothing answers");
  expect(() => compareScan("a udp/53\na tcp/111\n", expected)).toThrow(
    "tcp/111 answers and is on no list\nudp/123 is on the list and does not answer",
  );
});

it("expects of the host what machines without a way out have of it, as far as it says anything to a stranger", () => {
  expect(expectedOfHost).toEqual({ answers: ["udp/53", "udp/123"] });
});

it("expects at the public address what is forwarded, and of the host's own what may be there", () => {
  const { answers, may } = expectedInPublic({ publicPorts, wire }, (port) => port === "tcp/22");
  expect(answers).toEqual(["tcp/80", "tcp/443", "udp/3478"]);
  expect(["udp/32768", "udp/65535", "tcp/22", "tcp/443"].map((port) => may?.(port))).toEqual(
    Array(4).fill(true),
  );
  expect(["udp/32767", "tcp/32768", "tcp/8080"].map((port) => may?.(port))).toEqual(Array(3).fill(false));
  expect(expectedInPublic({ publicPorts, wire: null }, () => false).answers).toEqual([]);
});

it("asks for every port of TCP, and a name server for a name that it knows", () => {
  const args = everyPort("192.168.230.1", "kubenode1");
  expect(args.slice(0, 2)).toEqual(["192.168.230.1", "tcp:1-65535"]);
  const [question = ""] = args.flatMap((arg) => /^udp:53:(.*)/.exec(arg)?.[1] ?? []);
  expect(Buffer.from(question, "base64").toString("latin1")).toContain("\x09kubenode1\0\0\x01\0\x01");
});
