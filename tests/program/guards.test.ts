import { beforeAll, expect, it } from "vitest";
import { labValues, type Values } from "../stacks";
import { type Run, runProgram } from "./program";

let plain: Run;
let guarded: Run;

beforeAll(async () => {
  const values: Values = labValues("full");
  plain = await runProgram("lab", values);
  guarded = await runProgram("lab", { ...values, kubernetes: { encryptSecrets: true, auditLog: true } });
});

const names = ({ resources }: Run) => resources.map(({ name }) => name);
const nodes = ["kubenode1", "kubenode2", "kubenode3"];

it("a cluster without guards has nothing of them", () => {
  expect(names(plain).filter((name) => /-guards$|-encryption$|kubernetes-secrets/.test(name))).toEqual([]);
});

it("each control plane gets its files, and the key is one of the stack's", () => {
  const added = names(guarded).filter((name) => !names(plain).includes(name));
  expect(added.sort()).toEqual(
    [
      ...nodes.flatMap((node) => [`kubernetes-${node}-encryption`, `kubernetes-${node}-guards`]),
      "secrets-kubernetes-secrets",
    ].sort(),
  );
});

it("the last of them writes all secrets anew, and no preview shows the key", () => {
  const input = (name: string) => guarded.resources.find((each) => each.name === name)?.inputs ?? {};
  const last = nodes.map((node) => /^LAST='(.*)'$/m.exec(input(`kubernetes-${node}-encryption`).stdin)?.[1]);
  expect(last).toEqual(["no", "no", "yes"]);
  for (const node of nodes)
    for (const name of [`kubernetes-${node}-encryption`, `kubernetes-${node}-guards`])
      expect(JSON.stringify(input(name).environment)).not.toContain("secretbox");
});
