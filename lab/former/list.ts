import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/**
 * The Kubernetes that upgrades begin with: one minor version below that of lab/bundle.yaml, with what its kubeadm asks
 * for beside it (`kubeadm config images list`). Each pair has a text of that list and what stands in its place.
 */
const replacements = [
  ["v1.36.3", "v1.35.4"],
  ['gitMinor: "36"', 'gitMinor: "35"'],
  ["etcd:3.6.8-0", "etcd:3.6.6-0"],
  ["version: v3.6.8", "version: v3.6.6"],
  ["coredns:v1.14.2", "coredns:v1.13.1"],
  ["pause:3.10.2", "pause:3.10.1"],
  ["-DVERSION=v3.10.2", "-DVERSION=v3.10.1"],
  ["bundle/go/kubernetes", "former/go/kubernetes"],
  ["bundle/go/etcd", "former/go/etcd"],
  ["bundle/go/coredns", "former/go/coredns"],
] as const;

/**
 * Writes the list of the lab's bundle with the former Kubernetes in it, and gives its path.
 * @throws Error if lab/bundle.yaml has something else than expected.
 */
export function writeFormerList(): string {
  const lab = join(__dirname, "..");
  const text = replacements.reduce(
    (list, [now, then]) => {
      if (!list.includes(now))
        throw new Error(`lab/bundle.yaml has no ${now} any more: see lab/former/list.ts`);
      return list.replaceAll(now, then);
    },
    readFileSync(join(lab, "bundle.yaml"), "utf8"),
  );
  // Beside the other one: paths in it are relative to its folder.
  const file = join(lab, "former.yaml");
  writeFileSync(file, text);
  return file;
}
