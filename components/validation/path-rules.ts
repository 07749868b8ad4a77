import { posix } from "node:path";
import { storePath } from "../artifact/plan";
import { quote } from "../config/quote";
import type { Configuration, ImageConfiguration } from "../config/schema";
import type { Problem, Sections } from "./problem";
import { hostFolder } from "./reserved-names";

/** Folders and files of the host, and URLs that it fetches from: what of them fails long after the preview. */
export function pathRules(config: Sections<"host" | "image" | "artifact" | "network">): Problem[] {
  const { host, image, artifact } = config;
  const folders = [
    ["host.poolPath", host.poolPath] as const,
    ["artifact.storePath", artifact?.storePath] as const,
  ];
  return [
    ...folders.flatMap(([key, path]) => folderProblems(key, path)),
    ...overlapProblems(config),
    ...(image ? imageProblems(image) : []),
    ...(artifact?.sources ?? []).flatMap(({ location }, index) =>
      placeProblems(`artifact.sources[${index}].location`, location),
    ),
  ];
}

/** What AppArmor's profiles, libvirt's XML, shells and iptables-like tools all take as it stands. */
const plainPath = /^\/[A-Za-z0-9._@+,/-]*$/;

/** A folder that the stack makes, and deletes in the end, is none that something else lies in. */
function folderProblems(key: string, path: string | undefined): Problem[] {
  if (path === undefined || !path.startsWith("/")) return [];
  if (!plainPath.test(path))
    return [
      {
        key,
        message: "has characters that not every tool on the host takes: use letters, digits and . _ - + @ ,",
      },
    ];
  const plain = posix.normalize(path).replace(/(?<=.)\/$/, "");
  if (plain !== path)
    return [{ key, message: `${path} has more than one way to be written: write ${plain}` }];
  // The kernel's NAME_MAX and PATH_MAX (limits.h), with room for a file in the folder.
  const long = path.split("/").find((name) => name.length > 255);
  if (long !== undefined || path.length > 4096 - 256)
    return [
      {
        key,
        message: long
          ? `has a name of ${long.length} characters in it; the kernel takes 255`
          : `has ${path.length} characters; the kernel takes 4095 for a file's path, of which ${4096 - 256} are left for its folder`,
      },
    ];
  const reason = hostFolder(path);
  return reason === undefined
    ? []
    : [{ key, message: `${path} will not do: ${reason}; choose a folder below /var/lib, /srv or the like` }];
}

/** Each of these folders is filled, and what does not belong there taken away, by something else. */
function overlapProblems(config: Pick<Configuration, "host" | "image" | "artifact" | "network">): Problem[] {
  const { host, image, artifact, network } = config;
  const local = (path: string) => (path.startsWith("/") ? posix.normalize(path) : undefined);
  const places = [
    ["artifact.storePath", artifact && storePath(config)] as const,
    ["host.poolPath", host.poolPath ?? `/var/lib/libvirt/images/${network.name}`] as const,
    ["image.source", image && local(image.source)] as const,
    ...(artifact?.sources ?? []).map(
      ({ location }, index) => [`artifact.sources[${index}].location`, local(location)] as const,
    ),
  ];
  const inside = (one: string, other: string) => `${one}/`.startsWith(`${other.replace(/\/$/, "")}/`);
  return places.flatMap(([key, path], index) =>
    places.slice(0, Math.min(index, 2)).flatMap(([otherKey, other]) =>
      path !== undefined && other !== undefined && (inside(path, other) || (index < 2 && inside(other, path)))
        ? [
            {
              key,
              message: `${path} and ${other} (${otherKey}) lie in one another: the stack makes and empties that one`,
            },
          ]
        : [],
    ),
  );
}

/** An absolute path or a URL that can be fetched from. */
function placeProblems(key: string, place: string): Problem[] {
  if (place.startsWith("/"))
    return /\p{Cc}/u.test(place)
      ? [{ key, message: "has a line break or another control character in it" }]
      : [];
  if (!/^https?:/.test(place)) return [];
  return /\s/.test(place) || !URL.canParse(place)
    ? [{ key, message: "is no URL that can be fetched: a host, a port up to 65535, and %20 for each space" }]
    : [];
}

/** Files that are no image of a disk, and images that are for another machine, by what they are called. */
const noImage: readonly (readonly [RegExp, string])[] = [
  [/\/$/, "is a folder, not a file in it"],
  [/\.iso$/i, "is an installer's disc; take the cloud image, whose disk is installed already"],
  [/\.(tar|tgz|zip|xz|gz|bz2|zst|7z)$/i, "is packed; give the image that is in it (qcow2)"],
  [
    /\.(ova|ovf|vmdk|vdi|vhdx?)$/i,
    "is for another hypervisor; take the qcow2 image, which ends with .img or .qcow2",
  ],
  [
    /(arm64|aarch64|armhf|ppc64el|riscv64|s390x|i386)[^/]*$/i,
    "is for another kind of processor; take the one for amd64",
  ],
  [
    /minim(al|ized)[^/]*$/i,
    "is a minimal image, which lacks packages that the machines start with; take the server's, for example jammy-server-cloudimg-amd64.img",
  ],
];

function imageProblems({ source, sha256, directBoot }: ImageConfiguration): Problem[] {
  const key = "image.source";
  const path = source.replace(/[?#].*/, "");
  const file = path.split("/").at(-1) || "it";
  const reason = noImage.find(([pattern]) => pattern.test(path))?.[1];
  const kernel = ([part, value]: readonly [string, string]): Problem[] =>
    value.startsWith("/")
      ? placeProblems(`image.directBoot.${part}`, value)
      : [
          {
            key: `image.directBoot.${part}`,
            message: `${quote(value)} must be an absolute path on the host`,
          },
        ];
  return [
    ...placeProblems(key, source),
    ...(reason === undefined ? [] : [{ key, message: `${file} ${reason}` }]),
    ...(/^https?:/.test(source) && !sha256
      ? [{ key: "image.sha256", message: "is required where image.source is a URL" }]
      : []),
    ...(directBoot
      ? [
          ...(
            [
              ["kernel", directBoot.kernel],
              ["initrd", directBoot.initrd],
            ] as const
          ).flatMap(kernel),
          ...(/\p{Cc}/u.test(directBoot.commandLine)
            ? [{ key: "image.directBoot.commandLine", message: "must stand on one line" }]
            : []),
          ...(/(^|\s)root=/.test(directBoot.commandLine)
            ? []
            : [
                {
                  key: "image.directBoot.commandLine",
                  message: "does not say which disk to start from: root=/dev/vda1, for example",
                },
              ]),
        ]
      : []),
  ];
}
