import * as pulumi from "@pulumi/pulumi";
import { loadDeployment } from "./components/deployment/load";
import { makeMachines } from "./components/deployment/machines";
import { stackOutputs } from "./components/deployment/outputs";
import { makePlatform } from "./components/deployment/platform";
import { makeWickr } from "./components/deployment/wickr";
import { Firewall } from "./components/host/firewall/firewall";
import { planRuleset } from "./components/host/firewall/ruleset";
import { Host } from "./components/host/host";
import { hostTarget } from "./components/host/target";
import { Secrets } from "./components/secrets/secrets";
import { readPrivateKey } from "./components/validation/load";

const deployment = loadDeployment();
const { config, plan, artifact } = deployment;

const stack = `${pulumi.getProject()}/${pulumi.getStack()}`;
const secrets = new Secrets("secrets", {
  sshKeyComment: stack,
  authorityName: `${config.domain} (${stack})`,
  smtpPassword: config.mail.relay?.password && pulumi.secret(config.mail.relay.password),
});

// Preflight, network, storage pool, the guests' image.
const host = new Host("host", {
  target: hostTarget(config.host, readPrivateKey(config.host.ssh?.privateKeyFile)),
  config,
  plan,
});
const firewall = new Firewall("firewall", {
  target: host.target,
  ruleset: planRuleset(config, plan),
  publicInterface: config.firewall.publicInterface,
});
const machines = makeMachines({ config, plan, host, secrets });

// Supplies for all machines, then data services beside Kubernetes, then backups of both, and Wire.
const platform = artifact && makePlatform({ ...deployment, artifact, host, firewall, machines, secrets });

// Beside Wire or alone, on a machine of its own.
const wickr = makeWickr({ plan, machines, secrets });

export = stackOutputs({ config, plan, secrets, firewall, machines, platform, wickr });
