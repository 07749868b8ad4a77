import * as pulumi from "@pulumi/pulumi";
import type { Plan } from "../config/plan";
import type { Machine } from "../machine/machine";
import type { Secrets } from "../secrets/secrets";
import { guideKey, keyText } from "../wickr/key";
import { Wickr } from "../wickr/wickr";

/** Wickr on its machine; undefined in a stack without it. */
export function makeWickr({
  plan,
  machines,
  secrets,
}: {
  readonly plan: Plan;
  readonly machines: readonly Machine[];
  readonly secrets: Secrets;
}): { readonly wickr: Wickr; readonly diskKey: pulumi.Output<string> } | undefined {
  const machine = machines.find(({ plan: { role } }) => role === "wickr");
  if (!plan.wickr || !machine) return undefined;
  const { guideKey: guide } = plan.wickr.disk;
  const diskKey = guide
    ? pulumi.secret(guide).apply(({ password, salt }) => guideKey(password, salt))
    : secrets.symmetricKey("wickr-disk").apply(keyText);
  const wickr = new Wickr("wickr", {
    plan: plan.wickr,
    target: machine.target,
    diskKey,
    gateway: plan.gateway,
  });
  return { wickr, diskKey };
}
