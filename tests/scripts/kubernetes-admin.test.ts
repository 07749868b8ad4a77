import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { loadScript, renderInput } from "../../components/machine/script";
import { ended, Machine } from "../fixtures/machine";

// What an administrator types on a kubenode. kubectl is a stand-in that looks for its configuration as kubectl documents:
// the variable KUBECONFIG, else the file in the caller's own folder.

let node: Machine;
const room = join("components", "kubernetes");
const script = loadScript(
  join(room, "member"),
  "member.sh",
  join(room, "version", "step.sh"),
  join(room, "member", "change.sh"),
  join(room, "member", "leave.sh"),
);
/** All parameters of the script, most of which this part of it does not read. */
const parameters = Object.fromEntries(
  [...script.text.matchAll(/^: "\$\{([A-Z_]+)[:?]/gm)].map(([, name = ""]) => [name, `the ${name}`]),
);

/** Runs the part of member.sh that puts what runs by itself and what is typed. */
const upkeep = () => ended(node.spawn("-s", "--", "upkeep"), renderInput(script, parameters));
/** What a user of the machine's gets with sudo. */
const asDemo = (command: string) => node.run(`setpriv --reuid demo --regid demo --init-groups ${command}`);

beforeAll(async () => {
  node = await Machine.start("kubenode1");
  node.write("/usr/local/sbin/systemctl", "#!/bin/sh\n", 0o755);
  node.write("/etc/kubernetes/admin.conf", "the administrator's\n", 0o600);
  node.write("/usr/local/bin/kubectl", '#!/bin/sh\ncat "${KUBECONFIG:-$HOME/.kube/config}"\n', 0o755);
  await node.run("useradd --create-home demo");
  node.write("/etc/sudoers.d/demo", "demo ALL=(ALL) NOPASSWD: ALL\n", 0o440);
});
afterAll(() => node?.stop());

it("`sudo kubectl` is the administrator's, and again when the file of the cluster is another", async () => {
  await expect(asDemo("sudo kubectl get nodes")).rejects.toThrow(/\/root\/\.kube\/config/);
  expect(await upkeep()).toMatchObject({ code: 0, stderr: "" });
  expect(await asDemo("sudo kubectl get nodes")).toBe("the administrator's");
  node.write("/etc/kubernetes/admin.conf", "renewed\n", 0o600);
  expect(await upkeep()).toMatchObject({ code: 0, stderr: "" });
  expect(await asDemo("sudo kubectl get nodes")).toBe("renewed");
});

it("`kubectl` without sudo gets nothing of it", async () => {
  await expect(asDemo("kubectl get nodes")).rejects.toThrow(/No such file|Permission denied/);
});

it("a configuration that somebody has put there stays", async () => {
  await node.run("rm /root/.kube/config && echo own >/root/.kube/config");
  expect(await upkeep()).toMatchObject({ code: 0, stderr: "" });
  expect(await asDemo("sudo kubectl get nodes")).toBe("own");
});
