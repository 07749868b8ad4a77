import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { configurationSchema, type seedMachines } from "./schema";

/** Namespace of the configuration keys: the project's name in Pulumi.yaml. */
const namespace = "wiab-staging";

const documents = join(__dirname, "../../docs");

type Schema = z.core.JSONSchema.JSONSchema;

/** The configuration as a JSON schema: what may be written, before defaults are filled in. */
function describeConfiguration(): Schema {
  return z.toJSONSchema(configurationSchema, {
    // Editors' YAML support is made for this draft.
    target: "draft-7",
    io: "input",
    override: ({ zodSchema, jsonSchema }) => {
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
      const message = refusal(zodSchema);
      if (message && jsonSchema.pattern) jsonSchema.patternErrorMessage = message;
    },
  });
}

/** What the program says of a value that does not have the right form; editors say the same then. */
function refusal({ _zod: { def } }: z.core.$ZodType): string | undefined {
  const makers = [def, ...(def.checks ?? []).map((check) => check._zod.def)].map(
    ({ error }) => error as ((issue: object) => unknown) | undefined,
  );
  // The schema's messages are fixed texts, whatever the issue.
  return makers.map((make) => make?.({})).find((message) => typeof message === "string");
}

/** Takes the schema's own properties, without their type `boolean | Schema`. */
const propertiesOf = (schema: Schema): [string, Schema][] =>
  Object.entries(schema.properties ?? {}) as [string, Schema][];

const isRequired = (parent: Schema, key: string): boolean => parent.required?.includes(key) ?? false;

/** docs/configuration.schema.json: the whole `Pulumi.<stack>.yaml`. */
export function renderSchema(): string {
  const configuration = describeConfiguration();
  const namespaced = (key: string) => `${namespace}:${key}`;
  const text = (description: string) => ({ type: "string", description });
  const schema = {
    $schema: configuration.$schema,
    title: "Stack of Wire in a Box Staging (Pulumi.<stack>.yaml)",
    type: "object",
    properties: {
      config: {
        type: "object",
        properties: Object.fromEntries(
          propertiesOf(configuration).map(([key, value]) => [namespaced(key), encryptSecrets(value)]),
        ),
        required: configuration.required?.map(namespaced),
        // Keys of other namespaces belong to Pulumi and its providers.
        patternProperties: { [`^(?!${namespace}:)[^:]+:.+`]: true },
        additionalProperties: false,
      },
      secretsprovider: text("What encrypts secrets, written by Pulumi."),
      encryptedkey: text("Key of the secrets, itself encrypted, written by Pulumi."),
      encryptionsalt: text("Salt of the passphrase, written by Pulumi."),
      environment: { description: "Pulumi ESC environments to import." },
    },
    required: ["config"],
    additionalProperties: false,
  };
  return `${JSON.stringify(schema, null, 2)}\n`;
}

/** In the file a secret stands encrypted; the program refuses it in plain text. */
function encryptSecrets(schema: Schema): Schema {
  if (schema.secret) {
    return {
      description: schema.description,
      type: "object",
      properties: { secure: { type: "string", description: "Written by `pulumi config set --secret`." } },
      required: ["secure"],
      additionalProperties: false,
    };
  }
  const items = schema.items as Schema | undefined;
  return {
    ...schema,
    ...(schema.properties && {
      properties: Object.fromEntries(
        propertiesOf(schema).map(([key, value]) => [key, encryptSecrets(value)]),
      ),
    }),
    ...(items && { items: encryptSecrets(items) }),
  };
}

const introduction = `<!-- Written by "npm run docs" from components/config/schema.ts: change that. -->

# Configuration

A stack's configuration is the file \`Pulumi.<stack>.yaml\`. Each top-level key below stands there under \`config\`
with the project's name before it:

\`\`\`yaml
config:
  ${namespace}:domain: wire.example.com
  ${namespace}:firewall:
    publicAddress: 203.0.113.10
\`\`\`

Unknown keys are refused. [configuration.schema.json](configuration.schema.json) is the same as a JSON schema; an
editor with YAML support completes keys and marks mistakes if the file's first line is
\`# yaml-language-server: $schema=docs/configuration.schema.json\`.

All problems are reported together before the first resource is made. Besides each key's own form these are checked
across keys (\`components/validation/rules.ts\`):

- \`network.cidr\` names a network (host bits zero), and the DHCP range lies in it, in order.
- A machine's address is in the network, outside the DHCP range, and not the host's own (the network's first). One that
  exists already may be anywhere else, but keeps to this where it is in the network.
- Every address (public, of the host's SSH, of the mail relay, of the API, of each machine) lies outside the networks of
  machines, pods and services that are not its own, those networks have nothing in common, and none is one that packets
  are not sent to (loopback, link-local, multicast, reserved).
- Names and addresses of machines are unique, and no name is taken: by the kernel, libvirt, nft's language, the
  machines' users and groups or the program's own resources (\`components/validation/reserved-names.ts\`).
- \`host.ssh.port\` is no port that goes to the machines, and none of \`firewall.hostPorts\` is one that Wire is reached by.
- There is exactly one assethost, which never retires, and an odd number of kubenodes and of datanodes that stay.
- The machines fit into \`host.capacity\`, where it is given: memory is an error, vCPUs are a warning.
- No disk is smaller than the image, and an image from a URL has a checksum.
- \`calling.node\` is a kubenode that stays.
- What would fail on the machines is measured before: processors and memory of control planes, their number (7 at most)
  and that of datanodes (15), heaps against the machine and what else is on it, the schedule of backups.
- With \`firewall.privateDeployment\` a mail relay is the host or a machine, as certificates do not come from Let's Encrypt.
- What is given and not used is named in a warning.
- A manifest can be read, its artifact has what a Kubernetes node's container runtime is made of, and several artifacts
  have no different files in one place and no different images under one name.
- With \`host.hypervisor: none\` every machine has \`existing\`, and \`firewall\` says where it is made (\`gateway\`) or that
  it is not (\`rules: output\`); otherwise there is an \`image\`, and the firewall is the host's.
- An asset host with \`existing\` has a \`privateKeyFile\`: the host logs in with it.
- A private key file can be read, by its owner alone, and is a whole private key without a passphrase; a public key is a
  whole one of a type that OpenSSH takes, RSA from 2048 bits.
- Nothing is given twice to be read once: the file has one YAML document, keys of this program's namespace alone, and no
  word that YAML 1.1 and 1.2 read as different values.
- \`mail.relay.password\` and the passwords of \`artifact.registry\` are encrypted, and its \`authorityFile\` has certificates.
- Charts come from one place, and a folder has one for each release that is asked for.
- Where there are charts there is a certificate, or a way to get one: Let's Encrypt needs a way out.
- A certificate of one's own covers all host names, is valid now, is followed by the authorities up to a root (the root,
  too, where not everybody knows it), belongs to its key, and has what browsers, Go and the ingress controller take: RSA
  from 2048 bits or ECDSA on P-256 or P-384, SHA-256 or better, the purpose of a server, authorities that may sign for
  these names, no must-staple, no critical extension that is not known, no byte order mark.
- Authorities of others (\`features.federation\`, \`mesh.identity\`) may sign, are valid now, each of them, and strong as
  above or Ed25519; their file has no private key in it.
- Private keys are in a form that OpenSSH reads, or Go for a certificate's: their line ends, no blanks, no byte order mark.

Machines with \`existing\` count for roles, names and addresses only: their address may lie anywhere.
`;

/** docs/configuration.md: a section for each top-level key, a row for each key below it. */
export function renderMarkdown(): string {
  const configuration = describeConfiguration();
  const sections = propertiesOf(configuration).map(([key, schema]) => {
    const required = isRequired(configuration, key);
    const rows = schema.properties || schema.items ? rowsBelow(key, schema, !required) : [];
    return [
      `## ${key}\n`,
      `${schema.description}${required ? " Required." : ""}\n`,
      table(
        ["key", "accepted", "default", "meaning"],
        rows.length > 0 ? rows : [row(key, schema, required ? "**required**" : defaultOf(schema))],
      ),
      ...(key === "machines" ? [`\nDefault:\n\n${machineTable(schema.default as typeof seedMachines)}`] : []),
    ].join("\n");
  });
  return `${introduction}\n${sections.join("\n\n")}\n`;
}

/**
 * Rows for all keys below a section.
 * @param optional whether the section itself may be left out.
 */
function rowsBelow(path: string, schema: Schema, optional: boolean): string[][] {
  if (schema.items) return rowsBelow(`${path}[]`, schema.items as Schema, true);
  return propertiesOf(schema).flatMap(([key, value]) => {
    const below = `${path}.${key}`;
    const required = isRequired(schema, key);
    const need = optional ? `required in \`${path}\`` : "**required**";
    return [
      row(below, value, required ? need : defaultOf(value)),
      ...(value.properties || hasSections(value) ? rowsBelow(below, value, optional || !required) : []),
    ];
  });
}

/** Whether it is a list of sections. */
const hasSections = ({ items }: Schema): boolean => (items as Schema | undefined)?.properties !== undefined;

const row = (path: string, schema: Schema, byDefault: string): string[] => [
  `\`${path}\``,
  accepted(schema),
  byDefault,
  schema.description ?? "",
];

const defaultOf = ({ default: value }: Schema): string =>
  value === undefined ? "–" : `\`${typeof value === "object" ? JSON.stringify(value) : value}\``;

/** What a key takes, in words. */
function accepted(schema: Schema): string {
  const { enum: choices, patternErrorMessage: message } = schema as {
    enum?: string[];
    patternErrorMessage?: string;
  };
  if (choices) return choices.map((choice) => `\`${choice}\``).join(", ");
  if (message) return message.replace(/^must be /, "");
  switch (schema.type) {
    case "object":
      return "section";
    case "array":
      return `list: ${accepted(schema.items as Schema)}`;
    case "boolean":
      return "`true`, `false`";
    case "integer":
    case "number":
      return [schema.type === "integer" ? "whole number" : "number", ...limits(schema)].join(", ");
    default:
      return schema.secret ? "text, encrypted" : "text";
  }
}

function limits({ minimum, maximum, exclusiveMinimum, multipleOf }: Schema): string[] {
  return [
    ...(exclusiveMinimum === undefined ? [] : [`above ${exclusiveMinimum}`]),
    ...(minimum === undefined
      ? []
      : [maximum === undefined ? `at least ${minimum}` : `${minimum} to ${maximum}`]),
    ...(multipleOf === undefined ? [] : [`a multiple of ${multipleOf}`]),
  ];
}

function machineTable(machines: typeof seedMachines): string {
  const sum = (key: "memoryGiB" | "vcpus" | "diskGB") =>
    machines.reduce((total, machine) => total + machine[key], 0);
  return table(
    ["name", "role", "address", "memoryGiB", "vcpus", "diskGB"],
    [
      ...machines.map((m) => [m.name, m.role, m.address, `${m.memoryGiB}`, `${m.vcpus}`, `${m.diskGB}`]),
      [
        "**together**",
        "",
        "",
        ...(["memoryGiB", "vcpus", "diskGB"] as const).map((key) => `**${sum(key)}**`),
      ],
    ],
  );
}

function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [heads, heads.map(() => "---"), ...rows].map(line).join("\n");
}

/** `npm run docs` writes both files; with `--check` it only says which are out of date and exits with 1. */
function main(): number {
  const check = process.argv.includes("--check");
  const stale = Object.entries({
    "configuration.md": renderMarkdown(),
    "configuration.schema.json": renderSchema(),
  }).filter(([name, content]) => {
    const file = join(documents, name);
    const same = existsSync(file) && readFileSync(file, "utf8") === content;
    if (!same && !check) writeFileSync(file, content);
    return !same;
  });
  for (const [name] of stale)
    console.log(check ? `docs/${name} is out of date: run "npm run docs"` : `wrote docs/${name}`);
  return check && stale.length > 0 ? 1 : 0;
}

if (require.main === module) {
  if (process.argv.includes("--help"))
    console.log(
      "usage: npm run docs\n\nWrites docs/configuration.* from the schema; with --check, looks whether they are as it says.",
    );
  else process.exitCode = main();
}
