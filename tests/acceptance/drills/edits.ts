import { join } from "node:path";
import { certificateIn, makeCertificate } from "../../../lab/certificate";
import { waitFor } from "../../../lab/wait";
import { type Drill, type DrillGround, type Edit, expectEqual } from "./ground";

const updates = (...names: readonly string[]): string[] => names.map((name) => `update ${name}`);

/** The releases of the pages that name one another by their full names. */
const pages = ["account-pages", "team-settings", "webapp"].map((release) => `wire-${release}`);

/** Sets a value of a chart as an operator would. */
const setValue =
  (release: string, values: object): Edit =>
  ({ wire }) => {
    wire.values = { ...wire.values, [release]: values };
  };

/** Another certificate for a domain, of another authority. */
const certify = async (settings: Parameters<Edit>[0], folder: string, domain: string): Promise<void> => {
  const files = await makeCertificate(join(folder, domain), domain);
  settings.tls = { certificateFile: files.certificateFile, privateKeyFile: files.privateKeyFile };
};

/** Previews an edit, applies it, looks at what has come of it, and takes it back. */
async function applied(
  ground: DrillGround,
  edit: Edit,
  expected: readonly string[],
  look: () => Promise<string>,
): Promise<string> {
  expectEqual(await ground.preview(edit), expected);
  try {
    const summary = await ground.up(edit);
    const seen = await look();
    return `${expected.join(", ")}; up: ${summary}; ${seen}`;
  } finally {
    await ground.up();
  }
}

const replicas = async ({ page }: DrillGround, name: string): Promise<number> =>
  (await page.summary()).services.find(({ service }) => service === name)?.pods?.length ?? 0;

export const editDrills: readonly Drill[] = [
  {
    name: "another domain (previewed)",
    hold: async (ground) => {
      const { outputs, namesOf } = ground;
      const domain = `another.${outputs.domain}`;
      const own = outputs.machines.filter(({ existing }) => !existing).map(({ name }) => name);
      const expected = updates(
        ...pages,
        ...["front", "nginx-ingress-services", "sftd", "smtp", "wire-server"].map((name) => `wire-${name}`),
        // Machines that are made later have it in their full names.
        ...own.map((name) => `${name}-cloud-init`),
        // The asset host's certificate, and the authority that is named after the domain.
        ...["services", "supplies-sources"].map((name) => `artifact-assethost-${name}`),
        "artifact-registry-images",
        ...[...namesOf("kubenode"), ...namesOf("datanode")].map((name) => `artifact-${name}-sources`),
      );
      const found = await ground.preview(async (settings, folder) => {
        settings.domain = domain;
        // What Wire's users have for ever.
        settings.wire.federationDomain = outputs.domain;
        await certify(settings, folder, domain);
      });
      expectEqual(found, expected);
      return `${found.length} updates, nothing replaced or deleted`;
    },
  },
  {
    name: "passwords rotated (previewed)",
    hold: async (ground) => {
      const { namesOf } = ground;
      const nodes = (service: string) => namesOf("datanode").map((name) => `${service}-${name}`);
      const rotations: Record<string, string[]> = {
        "postgresql-wire-server": [
          ...nodes("postgresql"),
          ...["postgresql-ready", "wire-postgresql-wire-server", "wire-wire-server"],
        ],
        "postgresql-repmgr": [
          ...nodes("postgresql"),
          ...["wire-postgresql-external", "wire-postgresql-repmgr"],
        ],
        turn: ["wire-coturn", "wire-wire-server"],
        // Its script says which nodes have drives, and until it has run, nobody knows: these may change, and will not.
        "minio-root-secret-key": [
          ...nodes("minio"),
          "minio-ready",
          "wire-minio-external",
          ...namesOf("datanode").map((name) => `data-services-${name}-kept`),
        ],
      };
      for (const [secret, users] of Object.entries(rotations)) {
        const urn = await ground.urnOf(`secrets-${secret}`);
        const found = await ground.preview(undefined, "--replace", urn);
        expectEqual(found, [`replace secrets-${secret}`, ...updates(...users)]);
      }
      return `each changes itself and what uses it: ${Object.keys(rotations).join(", ")}`;
    },
  },
  {
    name: "RabbitMQ's password rotated",
    hold: async (ground) => {
      const rotate = ["--replace", await ground.urnOf("secrets-rabbitmq")];
      const expected = [
        "replace secrets-rabbitmq",
        ...updates(
          ...ground.namesOf("datanode").map((name) => `rabbitmq-${name}`),
          "rabbitmq-ready",
          "wire-wire-server",
        ),
      ];
      expectEqual(await ground.preview(undefined, ...rotate), expected);
      const begun = new Date();
      const summary = await ground.up(undefined, ...rotate);
      await ground.pageNames([], begun);
      return `${expected.join(", ")}; up: ${summary}; every service gets in`;
    },
  },
  {
    name: "another certificate, of another authority",
    hold: (ground) => {
      const { domain } = ground.outputs;
      let authorityFile = "";
      const edit: Edit = async (settings, folder) => {
        await certify(settings, folder, domain);
        ({ authorityFile } = certificateIn(join(folder, domain)));
      };
      const expected = updates("wire-front", "wire-nginx-ingress-services", "wire-sftd");
      return applied(ground, edit, expected, async () => {
        const { status } = await ground.pageFor(authorityFile).get(`${ground.page.url}/`);
        return `the page answers ${status} with the new one`;
      });
    },
  },
  {
    name: "calling switched off (previewed)",
    hold: async (ground) => {
      const found = await ground.preview((settings) => {
        settings.calling = { ...settings.calling, enabled: false };
      });
      const expected = [
        ...["calling-ports", "coturn", "sftd"].map((name) => `delete wire-${name}`),
        ...updates(
          `firewall-${ground.outputs.network.name}`,
          "kubernetes-addons",
          "wire-front",
          "wire-wire-server",
        ),
      ];
      expectEqual(found, expected);
      return found.join(", ");
    },
  },
  {
    name: "one value of a chart",
    hold: (ground) =>
      applied(
        ground,
        setValue("account-pages", { envVars: { COMPANY_NAME: "Drill" } }),
        updates("wire-account-pages"),
        async () => {
          const name = await ground.kubectl(
            `get deployment account-pages --output 'jsonpath={.spec.template.spec.containers[0].env[?(@.name=="COMPANY_NAME")].value}'`,
          );
          expectEqual([name], ["Drill"]);
          return "its pods have it";
        },
      ),
  },
  {
    name: "a service scaled",
    hold: async (ground) => {
      const before = await replicas(ground, "webapp");
      return applied(ground, setValue("webapp", { replicaCount: before + 1 }), updates("wire-webapp"), () =>
        // Names of pods are kept for some seconds where they were asked for.
        waitFor("the page to see them", 120, async () => {
          const now = await replicas(ground, "webapp");
          expectEqual([`${now}`], [`${before + 1}`]);
          return `${before} pods before, ${now} now`;
        }),
      );
    },
  },
];
