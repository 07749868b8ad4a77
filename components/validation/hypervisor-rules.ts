import type { Configuration } from "../config/schema";
import type { Problem, Sections } from "./problem";

/** What makes machines has an image for them; where nothing does, all of them are there, and something else is before them. */
export function hypervisorRules({
  host,
  machines,
  image,
  firewall,
}: Sections<"host" | "machines" | "image" | "firewall">): Problem[] {
  if (host.hypervisor === "none") return [...machineProblems(machines), ...placeProblems(firewall)];
  const apart = { gateway: firewall.gateway !== undefined, rules: firewall.rules === "output" };
  return [
    ...(image
      ? []
      : [
          {
            key: "image",
            message:
              "is missing: the machines are made of it; where all of them exist already, set host.hypervisor to none",
          },
        ]),
    ...Object.entries(apart).flatMap(([key, given]) =>
      given
        ? [
            {
              key: `firewall.${key}`,
              message:
                "needs host.hypervisor: none; the way to machines that the host makes leads over the host, and so its firewall is there",
            },
          ]
        : [],
    ),
  ];
}

const machineProblems = (machines: Configuration["machines"]): Problem[] =>
  machines.flatMap(({ name, existing }, index) =>
    existing
      ? []
      : [
          {
            key: `machines[${index}].existing`,
            message: `is missing: nothing makes ${name} (host.hypervisor is none); say how to log in to it`,
          },
        ],
  );

/** Not on a workstation by oversight: whoever has machines of their own says where their firewall is. */
function placeProblems(firewall: Configuration["firewall"]): Problem[] {
  if (firewall.rules === "make")
    return firewall.gateway
      ? []
      : [
          {
            key: "firewall.gateway",
            message:
              "is missing: name the machine on the way between clients and machines, or have the rules put out for whoever runs the router (firewall.rules: output)",
          },
        ];
  return (["gateway", "publicInterface", "hardenInput"] as const).flatMap((key) =>
    firewall[key] === undefined
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
