import { quote } from "../config/quote";
import type { Configuration, ImageConfiguration } from "../config/schema";
import type { Problem, Sections } from "./problem";

/** What makes machines has an image for them; where nothing does, all of them are there, and something else is before them. */
export function hypervisorRules(config: Partial<Configuration>): Problem[] {
  const { host, machines, image, firewall } = config;
  if (!host || !machines || !firewall) return [];
  if (host.hypervisor === "none")
    return [
      ...machines.flatMap(({ name, existing }, index) =>
        existing
          ? []
          : [
              {
                key: `machines[${index}].existing`,
                message: `is missing: nothing makes ${name} (host.hypervisor is none); say how to log in to it`,
              },
            ],
      ),
      ...placeProblems(firewall),
    ];
  return [
    ...imageProblems(image, machines),
    ...(["gateway", "rules"] as const).flatMap((key) =>
      firewall[key] === undefined || firewall[key] === "make"
        ? []
        : [
            {
              key: `firewall.${key}`,
              message:
                "needs host.hypervisor: none; the way to machines that the host makes leads over the host, and so its firewall is there",
            },
          ],
    ),
  ];
}

/** Not on a workstation by oversight: whoever has machines of their own says where their firewall is. */
function placeProblems({
  gateway,
  rules,
  publicInterface,
  hardenInput,
}: Configuration["firewall"]): Problem[] {
  if (rules === "make")
    return gateway
      ? []
      : [
          {
            key: "firewall.gateway",
            message:
              "is missing: name the machine on the way between clients and machines, or have the rules put out for whoever runs the router (firewall.rules: output)",
          },
        ];
  return Object.entries({ gateway, publicInterface, hardenInput }).flatMap(([key, value]) =>
    value === undefined
      ? []
      : [
          {
            key: `firewall.${key}`,
            message:
              "is of no use: firewall.rules is output, and no firewall is made; leave one of the two out",
          },
        ],
  );
}

function imageProblems(
  image: ImageConfiguration | undefined,
  machines: Sections<"machines">["machines"],
): Problem[] {
  if (!image)
    return [
      {
        key: "image",
        message:
          "is missing: the machines are made of it; where all of them exist already, set host.hypervisor to none",
      },
    ];
  const problems: Problem[] = [];
  if (/^https?:/.test(image.source) && !image.sha256)
    problems.push({ key: "image.sha256", message: "is required where image.source is a URL" });
  const file =
    image.source
      .replace(/[?#].*/, "")
      .split("/")
      .at(-1) ?? "";
  if (/minimal|minimized/i.test(file))
    problems.push({
      key: "image.source",
      message: `${file} is a minimal image, which lacks packages that the machines start with; take the server's, for example jammy-server-cloudimg-amd64.img`,
    });
  machines.forEach((machine, index) => {
    if (!machine.existing && machine.diskGB < image.virtualSizeGB)
      problems.push({
        key: `machines[${index}].diskGB`,
        message: `${quote(machine.diskGB)} GB is smaller than the image (${quote(image.virtualSizeGB)} GB)`,
      });
  });
  return problems;
}
