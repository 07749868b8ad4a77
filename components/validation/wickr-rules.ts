import { isIPv4 } from "node:net";
import { isNetworkAddress, networkOf, prefixOf } from "../config/addresses";
import { quote } from "../config/quote";
import type { MachineConfiguration } from "../config/schema";
import { hasWire, wickrNeeds } from "../config/wickr";
import { type WaivableRule, type WickrConfiguration, waivableRules } from "../config/wickr-schema";
import { longestGuideSalt } from "../wickr/key";
import type { Problem, Sections } from "./problem";

type Concerned = Sections<"wickr" | "machines" | "firewall" | "artifact" | "mesh" | "wasimoff" | "wire">;

/** What is wrong with Wickr's machine, or with a stack that has nothing else. */
export function wickrRules(config: Concerned): Problem[] {
  const { wickr, machines } = config;
  const own = machines.flatMap((machine, index) => (machine.role === "wickr" ? [{ machine, index }] : []));
  if (!wickr)
    return own.map(({ index }) => ({
      key: `machines[${index}].role`,
      message: "is wickr, and there is no section wickr that says what it is to be",
    }));
  const [first] = own;
  if (!first)
    return [
      { key: "wickr", message: "no machine has the role wickr; one of its own is needed (docs/wickr.md)" },
    ];
  return [
    ...own.slice(1).map(({ index }) => ({
      key: `machines[${index}].role`,
      message: `is wickr, as that of machines[${first.index}] is: there is one`,
    })),
    ...(first.machine.retiring
      ? [
          {
            key: `machines[${first.index}].retiring`,
            message:
              "Wickr's machine cannot give what it has to another: take a snapshot and restore it there",
          },
        ]
      : []),
    ...aloneProblems(config),
    ...addressProblems(wickr, first.machine, config),
    ...rangeProblems(wickr),
    ...keyProblems(wickr),
    ...sizeProblems(wickr, first.machine, first.index),
  ];
}

/** Everything else of the configuration is for machines of Wire's. */
function aloneProblems(config: Concerned): Problem[] {
  if (hasWire(config)) return [];
  return (
    [
      ["artifact", config.artifact],
      ["mesh", config.mesh],
      ["wasimoff", config.wasimoff],
      ["wire.charts", config.wire.charts],
    ] as const
  ).flatMap(([key, section]) =>
    section ? [{ key, message: "is for machines of Wire's, and Wickr's is the only one" }] : [],
  );
}

function addressProblems(
  { hostname, publicAddress }: WickrConfiguration,
  { existing, address }: MachineConfiguration,
  config: Concerned,
): Problem[] {
  const { firewall } = config;
  const host = [firewall.publicAddress, firewall.localAddress];
  const key = "wickr.publicAddress";
  const found = existing ? address : (publicAddress ?? firewall.publicAddress);
  return [
    ...(existing && publicAddress !== undefined
      ? [{ key, message: "is for a machine that the stack makes; this one is reached at its own address" }]
      : []),
    ...(!existing && hasWire(config) && (publicAddress === undefined || host.includes(publicAddress))
      ? [
          {
            key,
            message: `must be another address of the host than ${firewall.publicAddress}, whose port 443 is Wire's`,
          },
        ]
      : []),
    ...(isIPv4(hostname) && hostname !== found
      ? [{ key: "wickr.hostname", message: `${hostname} is not where clients reach the machine (${found})` }]
      : []),
  ];
}

const rangeProblems = ({ adminRanges, internalRanges }: WickrConfiguration): Problem[] =>
  (
    [
      ["adminRanges", adminRanges],
      ["internalRanges", internalRanges],
    ] as const
  ).flatMap(([list, ranges]) =>
    ranges.flatMap((range, index) => {
      const key = `wickr.${list}[${index}]`;
      if (!isNetworkAddress(range))
        return [
          {
            key,
            message: `${range} does not name a network: host bits must be zero, as in ${networkOf(range)}`,
          },
        ];
      if (prefixOf(range) === 0)
        return [{ key, message: `${range} is everybody: these ports are never for all` }];
      return ranges.indexOf(range) < index ? [{ key, message: `${range} is there twice` }] : [];
    }),
  );

/** What the guide's script cannot have made a key of. */
function keyProblems({ disk: { guideKey } }: WickrConfiguration): Problem[] {
  if (!guideKey) return [];
  const bytes = Buffer.byteLength(guideKey.salt);
  return [
    ...(bytes > longestGuideSalt
      ? [
          {
            key: "wickr.disk.guideKey.salt",
            message: `has ${bytes} bytes: the guide's script takes ${longestGuideSalt} at most, and makes an empty key of more`,
          },
        ]
      : []),
    ...(["password", "salt"] as const).flatMap((part) =>
      /[\0\n\r]/.test(guideKey[part])
        ? [
            {
              key: `wickr.disk.guideKey.${part}`,
              message: "has a line break or NUL in it, which nobody can type",
            },
          ]
        : [],
    ),
  ];
}

/** What the preflight would find on the machine, said before there is one. */
function sizeProblems(
  { disk, waive }: WickrConfiguration,
  { existing, vcpus, memoryGiB, diskGB }: MachineConfiguration,
  index: number,
): Problem[] {
  const machine = `machines[${index}]`;
  const needs: [WaivableRule, string, number, number][] = [
    ["processors", `${machine}.vcpus`, vcpus, wickrNeeds.vcpus],
    ["memory", `${machine}.memoryGiB`, memoryGiB, wickrNeeds.memoryGiB],
    ["rootSpace", `${machine}.diskGB`, diskGB, wickrNeeds.rootGB],
    ["diskSpace", "wickr.disk.sizeGB", disk.sizeGB, wickrNeeds.diskGB],
  ];
  return [
    ...(existing ? [] : needs).flatMap(([rule, key, value, least]) =>
      value < least && !waive.includes(rule)
        ? [
            {
              key,
              message: `${quote(value)} is too little for Wickr: at least ${least} (wickr.waive: ${rule})`,
            },
          ]
        : [],
    ),
    ...(new Set(waive).size >= waivableRules.length
      ? [{ key: "wickr.waive", message: "names all rules there are: each is waived for a reason, never all" }]
      : []),
    ...waive.flatMap((rule, place) =>
      waive.indexOf(rule) < place
        ? [{ key: `wickr.waive[${place}]`, message: `${rule} is there twice` }]
        : [],
    ),
  ];
}
