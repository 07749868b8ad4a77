import { afterEach, beforeEach, expect, it } from "vitest";
import { loadScript, renderInput } from "../../components/machine/script";
import { ended, Machine } from "../fixtures/machine";

// A node that pulls the images of Kubernetes. kubeadm and crictl are stand-ins: the first names three images, the
// second has one of them and answers for the others as /answers says, a line a pull.

let machine: Machine;
beforeEach(async () => {
  machine = await Machine.start("kubenode1");
  machine.write("/usr/local/bin/kubeadm", "#!/bin/bash\nprintf 'r/%s:1\\n' api etcd pause\n", 0o755);
  machine.write("/usr/local/bin/crictl", crictl, 0o755);
});
afterEach(() => machine.stop());

const crictl = `#!/bin/bash
case $* in
  images) printf 'IMAGE TAG\\nr/pause 1\\n' ;;
  "pull "*)
    exec 9>>/lock && flock 9
    echo "$2" >>/pulled
    answer=$(head -n 1 /answers) && sed -i 1d /answers
    [ -z "$answer" ] || { echo "pulling image: $answer" >&2; exit 1; } ;;
  *) exit 2 ;;
esac
`;

/** Pulls; `answers` are what the pulls end with, one after another, and nothing where they succeed. */
async function pull(...answers: readonly string[]) {
  machine.write("/answers", answers.map((answer) => `${answer}\n`).join(""));
  const { name, text } = loadScript("components/kubernetes/node", "images.sh");
  const script = { name, text: `${text}\napply() { pull_images; }\n` };
  const parameters = { KUBEADM: "kubeadm", KUBEADM_CONFIG: "kind: X\n" };
  const result = await ended(machine.spawn("-s", "--", "apply"), renderInput(script, parameters));
  return { ...result, pulled: machine.read("/pulled").trimEnd().split("\n").sort() };
}

it("pulls what is not there", async () => {
  expect(await pull()).toEqual({ code: 0, stdout: "", stderr: "", pulled: ["r/api:1", "r/etcd:1"] });
});

it("asks again where a registry is too busy to answer", async () => {
  const { code, stderr, pulled } = await pull("", "net/http: timeout awaiting response headers");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(pulled).toEqual(["r/api:1", "r/api:1", "r/etcd:1", "r/etcd:1"]);
});

it("says at once what a registry does not have", async () => {
  const { code, stderr, pulled } = await pull("r/api:1: not found", "");
  expect(code).toBe(1);
  expect(stderr).toContain("an image cannot be pulled on kubenode1");
  expect(stderr).toContain("r/api:1: not found");
  expect(pulled).toEqual(["r/api:1", "r/etcd:1"]);
});
