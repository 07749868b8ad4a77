import { accessSync, constants, existsSync, readFileSync, statSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import type { ArtifactManifest } from "../artifact/manifest";
import { type ArtifactPlan, planArtifact } from "../artifact/plan";
import { readManifest as readManifestFile } from "../artifact/reader/bundle";
import type { Mirror } from "../artifact/registry/registry";
import { type Plan, planDeployment } from "../config/plan";
import { expandHome, quotePath } from "../config/quote";
import type { Configuration } from "../config/schema";
import { parseYaml } from "../config/yaml";
import { issueRevocations } from "../mesh/issue";
import type { MeshIdentity } from "../mesh/mesh";
import type { WasimoffCertificate } from "../wasimoff/wasimoff";
import { certificatesAlone } from "../wire/certificate-file";
import { findChart } from "../wire/charts";
import { type Federation, issuerName, type Tls } from "../wire/context";
import { chartRelease, releaseWarning } from "../wire/facts";
import type { KnownContext } from "../wire/placeholders";
import type { ReleaseSources } from "../wire/plan";
import { certificateWarning } from "../wire/tls";
import { encryptedBelow, keepSecret } from "./encrypted";
import { findFixed } from "./fixed";
import { findLosses } from "./losses";
import { readIdentity, revocationsIn } from "./mesh-identity";
import { type Asked, askStacks, withPeers } from "./mesh-stacks";
import { readRecorded } from "./recorded";
import { privateKeyProblem } from "./ssh-keys";
import { readStackFile, type StackFile, strayKeys } from "./stack-file";
import { ConfigurationError, sectionNames, type Validated, validate } from "./validate";
import { chartSource } from "./wire-rules";

/**
 * Reads and checks the configuration of the stack that runs. This is the only place that touches
 * pulumi.Config or the operator's files; everything else gets plain values.
 * @throws RunError with all problems, before any resource exists.
 */
export function loadConfiguration(): Configuration {
  const { config, warnings } = readConfiguration();
  for (const warning of warnings) void pulumi.log.warn(warning);
  return config;
}

/**
 * Asks the stacks that make further sites of the mesh where those are; a configuration that is read later has them among its peers.
 * One that is not there yet is left out, with a warning.
 */
export async function askPeers(): Promise<void> {
  asked = await askStacks(givenValues().mesh);
  for (const { stack, missing } of asked)
    if (missing)
      void pulumi.log.warn(
        `mesh.stacks: ${stack} ${missing}; it is left out. Run "up" again when it is there`,
      );
}

let asked: readonly Asked[] = [];

/**
 * Refuses a configuration that would take away what machines of the stack hold (losses.ts), or that changes what cannot
 * change in place (fixed.ts).
 * @throws RunError with all problems, before any resource is registered.
 */
export async function refuseLosses(): Promise<void> {
  const { config, stackFile } = readConfiguration();
  const { machines, settings } = await readRecorded();
  const problems = [...findLosses(config, planDeployment(config), machines), ...findFixed(config, settings)];
  if (problems.length > 0) throw new pulumi.RunError(new ConfigurationError(problems, stackFile).message);
}

/** The configuration and Wire as {@link refuseLosses} has found them; undefined where nothing of Wire is installed. */
export function planWireAgain():
  | {
      readonly config: Configuration;
      readonly plan: Plan;
      readonly artifact: ArtifactPlan;
      readonly wire: WirePlan;
    }
  | undefined {
  const { config } = readConfiguration();
  const artifact = loadArtifact(config);
  const plan = planDeployment(config);
  const wire = artifact && planWire(config, plan, artifact);
  return wire && { config, plan, artifact, wire };
}

type Read = Validated & { readonly stackFile: StackFile | undefined };

let read: Read | undefined;

/** What the run was told, read and checked once: two checks go before the program, and want the same. */
const readConfiguration = (): Read => {
  read ??= checkConfiguration();
  return read;
};

/** The stack's values by key, as the engine has them. */
function givenValues(): Record<string, unknown> {
  const project = pulumi.getProject();
  return Object.fromEntries(
    Object.entries(pulumi.runtime.allConfig())
      .filter(([key]) => key.startsWith(`${project}:`))
      .map(([key, value]) => [key.slice(project.length + 1), parseValue(value)]),
  );
}

function checkConfiguration(): Read {
  const project = pulumi.getProject();
  const given = givenValues();
  const values = given.mesh === undefined ? given : { ...given, mesh: withPeers(given.mesh, asked) };
  const stored = storedValues();
  const encrypted = Object.keys(values)
    .filter((key) => runtime.isConfigSecret(`${project}:${key}`))
    .flatMap((key) => encryptedBelow(key, values[key], stored[`${project}:${key}`]));
  const stackFile = findStackFile(project, pulumi.getStack(), Object.keys(values));
  try {
    const { config, warnings } = validate(values, {
      ...workstation,
      encrypted,
      stackFile,
      strayKeys: strayKeys(Object.keys(pulumi.runtime.allConfig()), project, sectionNames, stackFile?.lineOf),
    });
    const { wire } = config;
    const wireValues = keepSecret(wire.values, encrypted, ["wire", "values"]);
    return { config: { ...config, wire: { ...wire, values: wireValues } }, warnings, stackFile };
  } catch (error) {
    // The engine shows this kind of error as it is, without a stack trace.
    throw error instanceof ConfigurationError ? new pulumi.RunError(error.message) : error;
  }
}

/** The text of the stack's file; undefined where the engine was given another one (`--config-file`). */
function findStackFile(project: string, stack: string, keys: readonly string[]): StackFile | undefined {
  const name = `Pulumi.${stack}.yaml`;
  if (!existsSync(name)) return undefined;
  const file = readStackFile(name, readFileSync(name, "utf8"), project);
  const own = file.keys.flatMap((key) =>
    key.startsWith(`${project}:`) ? [key.slice(key.lastIndexOf(":") + 1)] : [],
  );
  return own.sort().join() === [...keys].sort().join() ? file : undefined;
}

/** What the stack's file has, secrets encrypted; nothing if its place is another one or it cannot be read. */
function storedValues(): Readonly<Record<string, unknown>> {
  try {
    const name = `Pulumi.${pulumi.getStack()}.yaml`;
    return (parseYaml(readFileSync(name, "utf8"), name) as { config?: Record<string, unknown> }).config ?? {};
  } catch {
    return {};
  }
}

/** The SDK has this function but leaves it out of its type declarations. */
const runtime = pulumi.runtime as unknown as { isConfigSecret(key: string): boolean };

/** The engine hands objects and lists over as JSON and everything else as it stands. */
function parseValue(value: string): unknown {
  if (!/^\s*[[{]/.test(value)) return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

/** Reads a private key file that {@link loadConfiguration} has found usable; undefined without a path. */
export const readPrivateKey = (path: string | undefined): pulumi.Output<string> | undefined =>
  path === undefined ? undefined : pulumi.secret(readFileSync(expandHome(path), "utf8"));

/** The stack's artifacts, which {@link loadConfiguration} has found usable; undefined where it has none. */
export const loadArtifact = ({ artifact }: Configuration): ArtifactPlan | undefined =>
  artifact &&
  planArtifact(
    artifact.sources.map(({ manifest, location }) => ({ manifest: readManifest(manifest), location })),
  );

/** The registry of the operator's own, whose files {@link loadConfiguration} has found usable; undefined without one. */
export function loadRegistry({ artifact }: Configuration): Mirror | undefined {
  const { registry } = artifact ?? {};
  if (!registry) return undefined;
  const { address, authorityFile, push, pull } = registry;
  const account = ({ username, password }: typeof push) => ({ username, password: pulumi.secret(password) });
  return {
    address,
    authority: authorityFile === undefined ? "" : certificatesAlone(readText(authorityFile)),
    push: account(push),
    pull: pull && account(pull),
  };
}

/** Wire as far as it is known before anything is made. */
export interface WirePlan extends ReleaseSources {
  readonly known: KnownContext;
}

/**
 * Wire in a stack that {@link loadConfiguration} has found in order, with a warning for each thing that is worth saying;
 * undefined where nothing of it is installed.
 */
export function loadWire(config: Configuration, plan: Plan, artifact: ArtifactPlan): WirePlan | undefined {
  const wire = planWire(config, plan, artifact);
  const source = chartSource(config);
  const ofCharts = source && releaseWarning(source);
  if (wire && ofCharts) void pulumi.log.warn(`wire.charts: ${ofCharts}`);
  const tls = wire?.known.tls;
  const ofCertificate = tls?.kind === "own" ? certificateWarning(tls.certificate, new Date()) : undefined;
  if (ofCertificate)
    void pulumi.log.warn(`tls.certificateFile: ${config.tls.certificateFile} ${ofCertificate}`);
  return wire;
}

function planWire(config: Configuration, plan: Plan, artifact: ArtifactPlan): WirePlan | undefined {
  const source = chartSource(config);
  const tls = loadTls(config);
  if (!source || !tls) return undefined;
  const { facts, dropped } = chartRelease(source);
  return {
    facts,
    dropped,
    chart: (release) => findChart(source, release),
    artifactCharts: artifact.charts,
    values: config.wire.values,
    known: {
      domain: config.domain,
      federationDomain: config.wire.federationDomain ?? config.domain,
      publicAddress: config.firewall.publicAddress,
      callingNode: plan.callingNode,
      kubenodes: plan.servingKubenodes.length,
      datanodes: plan.datanodes.length,
      podNetwork: config.kubernetes.podCidr,
      mail: config.mail,
      features: config.features,
      federation: loadFederation(config),
      tls,
    },
  };
}

/** The certificate of the public names, which {@link loadConfiguration} has found usable; undefined without one. */
function loadTls({ tls }: Pick<Configuration, "tls">): Tls | undefined {
  const { acme, certificateFile, privateKeyFile } = tls;
  if (acme) return { kind: "acme", ...acme };
  if (certificateFile === undefined || privateKeyFile === undefined) return undefined;
  const certificate = certificatesAlone(readText(certificateFile));
  return { kind: "own", certificate, privateKey: pulumi.secret(readText(privateKeyFile)) };
}

/** Who the site is in a mesh, which {@link loadConfiguration} has found usable; undefined where it is on its own. */
export function loadMesh({ mesh }: Configuration): MeshIdentity | undefined {
  if (!mesh) return undefined;
  const { revoked, revocationsFile } = mesh.identity;
  const found = readIdentity(mesh.identity, workstation);
  const { authority } = found;
  if ("certificate" in found)
    return {
      authority,
      revocations: revocationsFile === undefined ? "" : revocationsIn(readText(revocationsFile)),
      own: { certificate: found.certificate, privateKey: pulumi.secret(found.privateKey) },
    };
  const at = new Date();
  const signer = { certificate: authority, privateKey: found.authorityKey };
  return {
    authority,
    revocations: revoked.length === 0 ? "" : issueRevocations(revoked, signer, at),
    own: { authorityKey: pulumi.secret(found.authorityKey), at },
  };
}

/** The certificate of Wasimoff's public name: its own, or that of the stack; undefined where it has no such name. */
export function loadWasimoff({ wasimoff, tls }: Configuration): WasimoffCertificate | undefined {
  if (wasimoff?.mode !== "public") return undefined;
  const files = wasimoff.certificate ?? tls;
  const of = loadTls({ tls: { ...files, acme: wasimoff.certificate ? undefined : tls.acme } });
  return of?.kind === "acme" ? { kind: "issuer", issuer: issuerName(of.production) } : of;
}

/** The other backends; undefined where there are none. */
const loadFederation = ({ features: { federation } }: Configuration): Federation | undefined =>
  federation && {
    domains: federation.domains,
    authorities: certificatesAlone(readText(federation.authoritiesFile)),
  };

/** Reads a text file; throws an Error that says why it cannot. */
function readText(path: string): string {
  try {
    return readFileSync(expandHome(path), "utf8");
  } catch (error) {
    throw new Error(`${quotePath(path)} cannot be read: ${reasonOf(error)}`);
  }
}

/** Reads the manifest of an artifact; throws an Error that says why the file is none. */
const readManifest = (path: string): ArtifactManifest => readManifestFile(expandHome(path));

/** Reads a file that nobody but its owner may read; throws an Error that says why it cannot. */
function readSecret(path: string): Uint8Array {
  const file = expandHome(path);
  if (/^[~$]/.test(file))
    throw new Error(`${quotePath(path)} has to be written out: of a shell's signs only ~/ is known here`);
  let mode: number;
  let bytes: Buffer;
  try {
    accessSync(file, constants.R_OK);
    mode = statSync(file).mode;
    bytes = readFileSync(file);
  } catch (error) {
    throw new Error(`${quotePath(path)} cannot be read: ${reasonOf(error)}`);
  }
  if (bytes.length === 0) throw new Error(`${path} is empty`);
  // It is open to others by right: its mode is not what is wrong with it.
  if (/^(ssh-|ecdsa-|sk-)/.test(bytes.toString("latin1", 0, 10)))
    throw new Error(`${path} is a public key; the private one has no .pub in its name`);
  if (mode & 0o077 && !holdsCertificate(bytes))
    throw new Error(
      `${path} can be read by others (mode ${(mode & 0o777).toString(8)}); run chmod 600 ${path}`,
    );
  return bytes;
}

/** Whether a file is a certificate without a key, which is no secret and not what was wanted. */
const holdsCertificate = (bytes: Uint8Array): boolean => {
  const text = Buffer.from(bytes).toString("latin1");
  return text.includes("-----BEGIN CERTIFICATE-----") && !text.includes("PRIVATE KEY-----");
};

/** Why a file cannot be used as a private key; undefined if it can. */
export function keyFileProblem(path: string): string | undefined {
  try {
    const problem = privateKeyProblem(Buffer.from(readSecret(path)).toString("utf8"));
    return problem && `${path} ${problem}`;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Why a file cannot be read, in words. */
function reasonOf(error: unknown): string {
  const { code = "unknown" } = error as NodeJS.ErrnoException;
  const words: Readonly<Record<string, string>> = {
    ENOENT: "there is no such file on the workstation (ENOENT)",
    ENOTDIR: "a part of the path is a file (ENOTDIR)",
    EISDIR: "it is a folder; name the file in it (EISDIR)",
    EACCES: "you may not read it (EACCES)",
    ELOOP: "it is a link to itself (ELOOP)",
    ENAMETOOLONG: "the path is too long (ENAMETOOLONG)",
    ERR_INVALID_ARG_VALUE: "the path has a NUL in it",
  };
  return words[code] ?? code;
}

/** The files of the machine that runs the program, as the rules ask for them. */
export const workstation = { keyFileProblem, readSecret, readText, readManifest };
