import * as pulumi from "@pulumi/pulumi";
import { loadScript, runScript } from "../../machine/script";
import type { Target } from "../../machine/target";
import { type RulesetArgs, renderRuleset, tableComment } from "./ruleset";
import { interfaceAlias, renderUnit } from "./unit";

/** Arguments of {@link Firewall}. */
export interface FirewallArgs {
  /** The host that the machines run on. */
  readonly target: Target;
  readonly ruleset: RulesetArgs;
  /**
   * Interface to make on the host for the public address (a bridge without ports), where no real interface
   * carries it; gone with the firewall. @default none is made
   */
  readonly publicInterface?: string;
  /**
   * Seconds after which hardened rules that no new connection has confirmed give way to the former ones.
   * @default 45
   */
  readonly guardSeconds?: number;
}

/** The script that {@link Firewall} runs; it takes {@link scriptParameters} and STEP. */
export const firewallScript = loadScript(__dirname, "firewall.sh");

/** Parameters of the script, but for STEP. Its files lie under the folder `root`. */
export function scriptParameters(args: Omit<FirewallArgs, "target">, root = "") {
  const { name, hardenInput, publicAddress } = args.ruleset;
  const directory = `${root}/etc/wiab/${name}`;
  return {
    NAME: name,
    RULESET: renderRuleset(args.ruleset),
    COMMENT: tableComment,
    GUARD_SECONDS: hardenInput ? String(args.guardSeconds ?? 45) : "0",
    DIRECTORY: directory,
    SYSCTL_FILE: `${root}/etc/sysctl.d/60-wiab-${name}.conf`,
    UNIT_FILE: `${root}/etc/systemd/system/wiab-firewall-${name}.service`,
    UNIT: renderUnit({
      name,
      rulesetFile: `${directory}/ruleset.nft`,
      publicInterface: args.publicInterface,
      publicAddress,
    }),
    PUBLIC_ADDRESS: publicAddress,
    PUBLIC_INTERFACE: args.publicInterface ?? "",
    ALIAS: interfaceAlias(name),
  };
}

/**
 * The host's firewall: forwards the public ports to the machines and keeps everything else away from
 * them. See {@link renderRuleset} for the rules.
 *
 * Rules that harden the host's own input are loaded on probation, for they might lock out whoever loads
 * them: a second command, over a connection of its own, confirms them. If it cannot connect, the host
 * goes back to the former rules by itself. If it merely comes too late (the engine was killed in between),
 * it loads them once more and fails; the next `up` confirms them.
 */
export class Firewall extends pulumi.ComponentResource {
  /** The rules, as text for nft. */
  readonly ruleset: string;
  /** What the host said when it had the rules; known once they are in force for good. */
  readonly applied: pulumi.Output<string>;

  constructor(name: string, args: FirewallArgs, options?: pulumi.ComponentResourceOptions) {
    super("wiab:host:Firewall", name, {}, options);
    const table = args.ruleset.name;
    const parameters = scriptParameters(args);
    this.ruleset = parameters.RULESET;

    // Named after the table: with another one this is another resource, whose predecessor takes its own
    // table away.
    const load = runScript(
      `${name}-${table}`,
      {
        target: args.target,
        script: firewallScript,
        parameters: { ...parameters, STEP: "load" },
        removes: true,
      },
      { parent: this },
    );
    const last = args.ruleset.hardenInput
      ? runScript(
          `${name}-${table}-confirm`,
          {
            target: args.target,
            script: firewallScript,
            // LOADED_BY makes it run again after a load that was replaced with its rules unchanged.
            parameters: { ...parameters, STEP: "confirm", LOADED_BY: load.id },
          },
          { parent: this },
        )
      : load;
    this.applied = last.stdout;
    this.registerOutputs({ ruleset: this.ruleset, applied: this.applied });
  }
}
