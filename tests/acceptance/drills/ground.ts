import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { Report } from "../../../checks/report";
import { certificateIn } from "../../../lab/certificate";
import { certificateFolder, type LabOutputs, stackFile } from "../../../lab/context";
import { waitFor } from "../../../lab/wait";
import { run } from "../../../toolchain/commands";
import { projectDirectory } from "../../../toolchain/environment";
import { pulumiOutput, resourcesIn } from "../../../toolchain/pulumi";
import { checkDataServices, dataServices } from "../verify/data-services";
import type { RemoteMachine } from "../verify/machine";
import type { Namespace } from "../verify/namespace";
import { failing, Page } from "../verify/page";
import { checkWire } from "../verify/wire";

/** Something that is tried on the lab, which is afterwards as it was before. */
export interface Drill {
  readonly name: string;
  /** Gives what was seen, in a line. @throws Error if it is not what should be. */
  readonly hold: (ground: DrillGround) => Promise<string>;
}

/** A stack's configuration by key, without the project's name before them. */
// biome-ignore lint/suspicious/noExplicitAny: as the file has it
export type Settings = Record<string, any>;

/** An edit of the configuration; may put files into the folder, which is there until the drill's end. */
export type Edit = (settings: Settings, folder: string) => void | Promise<void>;

/** How a run of the program ended. */
export interface Ended {
  readonly succeeded: boolean;
  readonly text: string;
}

const prefix = "wiab-staging:";

/** Seconds until everything works again after a drill; emulated machines take minutes to start a service. */
const patience = 1200;

/** The lab that drills are held on, and the ways to look at it. */
export class DrillGround {
  readonly page: Page;
  private readonly folder = mkdtempSync(join(tmpdir(), "wiab-drill-"));

  constructor(
    readonly stack: string,
    readonly env: Readonly<Record<string, string>>,
    /** Of the pinned tools, which `recover` asks for. */
    readonly home: string,
    readonly outputs: LabOutputs & { readonly wire: NonNullable<LabOutputs["wire"]> },
    readonly reach: (name: string) => RemoteMachine,
    private readonly internet: Namespace,
  ) {
    this.page = this.pageFor(certificateIn(certificateFolder(stack)).authorityFile);
  }

  /** The page as somebody sees it who trusts another authority. */
  pageFor = (authorityFile: string): Page =>
    new Page(this.internet, this.outputs.publicAddress, authorityFile, this.outputs.wire.urls.webapp ?? "");

  /** Names of the machines of a role. */
  namesOf = (role: string): string[] =>
    this.outputs.machines.filter((machine) => machine.role === role).map(({ name }) => name);

  /** Asks Kubernetes as its administrator. */
  kubectl = (command: string): Promise<string> =>
    this.reach(this.namesOf("kubenode")[0] as string).kubectl(command);

  /** Waits until the page says what fails and nothing else, with every dependency used since `since`. */
  async pageNames(expected: readonly string[], since: Date): Promise<void> {
    await waitFor(`the page to name ${expected.join(", ") || "nothing"}`, patience, async () => {
      const summary = await this.page.summary();
      expectEqual(failing(summary), expected);
      const old = summary.services.flatMap(({ service, pods }) =>
        (pods ?? []).flatMap(({ checks }) =>
          checks.filter(({ at }) => new Date(at) < since).map(({ name }) => `${service}: ${name}`),
        ),
      );
      if (old.length > 0) throw new Error(`not used since: ${old.join(", ")}`);
    });
  }

  /** Waits until nothing fails: on the page, and in the data services' own eyes. */
  async healthy(): Promise<void> {
    await this.pageNames([], new Date(0));
    for (const service of dataServices)
      for (const name of this.namesOf("datanode"))
        await waitFor(`${service} on ${name} to be healthy`, patience, () =>
          this.reach(name).run(`sudo /opt/wiab/${service}/health`),
        );
  }

  /** What `lab:verify` finds wrong now, of all that depends on the data services and on Wire's. */
  async verify(): Promise<string[]> {
    const report = new Report();
    const { outputs, reach } = this;
    await checkDataServices(report, outputs, reach, 0);
    await checkWire(report, outputs, outputs.wire, this.internet, reach, certificateFolder(this.stack), 0);
    return report.failures;
  }

  /** What an `up` with an edited configuration would change, each as `operation name`. */
  async preview(edit?: Edit, ...options: string[]): Promise<string[]> {
    const config = await this.edited(edit);
    const text = await pulumiOutput(this.env, [
      ...["preview", "--json", "--show-secrets=false", "--stack", this.stack, "--non-interactive"],
      ...["--config-file", config, ...options],
    ]);
    const { steps }: { steps: { op: string; urn: string }[] } = JSON.parse(text);
    const changes = steps
      .filter(({ op }) => op !== "same")
      // A replacement comes as three steps.
      .map(({ op, urn }) => `${op.includes("replace") ? "replace" : op} ${urn.split("::").at(-1)}`);
    return [...new Set(changes)];
  }

  /** An `up` with an edited configuration, to its end. */
  async tryUp(edit?: Edit, ...options: string[]): Promise<Ended> {
    const config = await this.edited(edit);
    const lines: string[] = [];
    return run("pulumi", this.upArguments(config, options), {
      env: this.env,
      cwd: projectDirectory,
      onLine: (line) => lines.push(line),
    }).then(
      () => ({ succeeded: true, text: lines.join("\n") }),
      () => ({ succeeded: false, text: lines.join("\n") }),
    );
  }

  /** The same, where it has to succeed. @returns how many resources of which kind of change, in words. */
  async up(edit?: Edit, ...options: string[]): Promise<string> {
    const { succeeded, text } = await this.tryUp(edit, ...options);
    if (!succeeded) throw new Error(`up has failed:\n${text.split("\n").slice(-40).join("\n")}`);
    return resourcesIn(text);
  }

  upArguments = (config: string, options: readonly string[] = []): string[] => [
    ...["up", "--yes", "--skip-preview", "--stack", this.stack, "--non-interactive", "--color", "never"],
    ...["--config-file", config, ...options],
  ];

  /** A copy of the stack's configuration, edited; the stack's own file stays as it is. */
  async edited(edit: Edit = () => {}): Promise<string> {
    const { config, ...rest } = parse(readFileSync(stackFile(this.stack), "utf8"));
    const settings: Settings = Object.fromEntries(
      Object.entries(config).map(([key, value]) => [key.replace(prefix, ""), value]),
    );
    await edit(settings, this.folder);
    const file = join(this.folder, `Pulumi.${this.stack}.yaml`);
    const prefixed = Object.entries(settings).map(([key, value]) => [`${prefix}${key}`, value]);
    writeFileSync(file, stringify({ ...rest, config: Object.fromEntries(prefixed) }));
    return file;
  }

  /** The URN of a resource, by which commands take it. */
  async urnOf(name: string): Promise<string> {
    const text = await pulumiOutput(this.env, ["stack", "export", "--stack", this.stack]);
    const { resources }: { resources: { urn: string }[] } = JSON.parse(text).deployment;
    const found = resources.find(({ urn }) => urn.endsWith(`::${name}`));
    if (!found) throw new Error(`the stack ${this.stack} has no resource ${name}`);
    return found.urn;
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** @throws Error with what is too much and what is missing, whatever the order. */
export function expectEqual(found: readonly string[], expected: readonly string[]): void {
  const more = found.filter((one) => !expected.includes(one));
  const less = expected.filter((one) => !found.includes(one));
  if (more.length + less.length === 0) return;
  throw new Error(
    [
      ...(more.length > 0 ? [`too much: ${more.join(", ")}`] : []),
      ...(less.length > 0 ? [`missing: ${less.join(", ")}`] : []),
    ].join("; "),
  );
}
