import * as pulumi from "@pulumi/pulumi";
import { makeFirewall, makeHost } from "./components/deployment/host";
import { loadDeployment } from "./components/deployment/load";
import { makeMachines } from "./components/deployment/machines";
import { stackOutputs } from "./components/deployment/outputs";
import { makePlatform } from "./components/deployment/platform";
import { makeWickr } from "./components/deployment/wickr";
import { Secrets } from "./components/secrets/secrets";

const deployment = loadDeployment();
const { config, plan, artifact } = deployment;

const stack = `${pulumi.getProject()}/${pulumi.getStack()}`;
const secrets = new Secrets("secrets", {
  sshKeyComment: stack,
  authorityName: `${config.domain} (${stack})`,
  smtpPassword: config.mail.relay?.password && pulumi.secret(config.mail.relay.password),
});

// Preflight; where the stack makes its machines, their network, storage pool and image.
const host = makeHost(deployment);
const firewall = makeFirewall(deployment, host);
const machines = makeMachines({ config, plan, host, secrets });

// Supplies for all machines, then data services beside Kubernetes, then backups of both, and Wire.
const platform = artifact && makePlatform({ ...deployment, artifact, host, firewall, machines, secrets });

// Beside Wire or alone, on a machine of its own.
const wickr = makeWickr({ plan, machines, secrets });

export = stackOutputs({ config, plan, secrets, firewall, machines, platform, wickr });
