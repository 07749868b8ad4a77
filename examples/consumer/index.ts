import * as pulumi from "@pulumi/pulumi";
import { readOutputs } from "./outputs";
import { renderInventory, renderPorts, renderZone } from "./render";

const staging = readOutputs(new pulumi.Config().require("stack"), [
  "publicAddress",
  "dnsRecords",
  "machines",
  "publicPorts",
  "sshPrivateKey",
]);

export = {
  zone: staging.dnsRecords.apply(renderZone),
  inventory: staging.machines.apply(renderInventory),
  open: { address: staging.publicAddress, ports: staging.publicPorts.apply(renderPorts) },
  // Stays secret: it was one where it came from.
  sshPrivateKey: staging.sshPrivateKey,
};
