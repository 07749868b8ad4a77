import { afterEach, beforeEach, expect, it } from "vitest";
import { loadScript, renderInput } from "../../components/machine/script";
import { ended, Machine } from "../fixtures/machine";

// A node that pulls the images of Kubernetes. kubeadm and crictl are stand-ins: the first names three images, the
// second has one of them and answers for the others as /answers says, a line a pull, with identifiers of /registry.

let machine: Machine;
beforeEach(async () => {
  machine = await Machine.start("kubenode1");
  machine.write("/usr/local/bin/kubeadm", "#!/bin/bash\nprintf 'r/%s:1\\n' api etcd pause\n", 0o755);
  machine.write("/usr/local/bin/crictl", crictl, 0o755);
  machine.write("/images", "r/pause 1 sha256:own\n");
});
afterEach(() => machine.stop());

const crictl = `#!/bin/bash
case $* in
  images*) echo 'IMAGE TAG'; cat /images ;;
  "pull "*)
    exec 9>>/lock && flock 9
    echo "$2" >>/pulled
    answer=$(head -n 1 /answers) && sed -i 1d /answers
    [ -z "$answer" ] || { echo "pulling image: $answer" >&2; exit 1; }
    name=\${2%:1}
    sed -i "\\#^$name #d" /images
    echo "$name 1 $(cat "/registry/\${name#r/}" 2>/dev/null || echo sha256:own)" >>/images ;;
  *) exit 2 ;;
esac
`;

/** What the artifact has, for two of the three. */
const IMAGE_IDS = "r/etcd:1 sha256:own\nr/pause:1 sha256:own";

/** Pulls; `answers` are what the pulls end with, one after another, and nothing where they succeed. */
async function pull(...answers: readonly string[]) {
  machine.write("/answers", answers.map((answer) => `${answer}\n`).join(""));
  const { name, text } = loadScript(
    "components/kubernetes/node",
    ...["images.sh", "components/kubernetes/container-runtime/image-ids.sh"],
  );
  const script = { name, text: `${text}\napply() { pull_images; }\n` };
  const parameters = { KUBEADM: "kubeadm", KUBEADM_CONFIG: "kind: X\n", IMAGE_IDS };
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

it("refuses an image that is not the artifact's, and names it", async () => {
  machine.write("/registry/etcd", "sha256:another\n");
  const { code, stderr } = await pull();
  expect(code).toBe(1);
  expect(stderr).toContain("images on kubenode1 are not those of the artifact");
  expect(stderr).toContain("r/etcd:1 is sha256:another, not sha256:own");
  expect(stderr).not.toMatch(/pause|api/);
});

it("pulls anew what is here under the same name and is another", async () => {
  machine.write("/images", "r/api 1 sha256:any\nr/etcd 1 sha256:own\nr/pause 1 sha256:former\n");
  expect(await pull()).toEqual({ code: 0, stdout: "", stderr: "", pulled: ["r/pause:1"] });
});
