import * as pulumi from "@pulumi/pulumi";
import { planKubernetes } from "../kubernetes/plan";
import { withPlaceholders } from "../wire/placeholders";
import { planReleases, type ReleaseRequest } from "../wire/plan";
import { ChartRenderer, type RenderRelease } from "../wire/render";
import { planWireAgain } from "./load";
import { imageProblems } from "./wire-images";
import { roomProblems, roomyNodes } from "./wire-room";

/**
 * Refuses a stack whose releases, rendered with its values, cannot run: their images are not in the artifact, or their
 * pods have no room on the Kubernetes nodes.
 * @throws RunError with everything that is wrong, before anything is made.
 */
export async function refuseCharts(): Promise<void> {
  const planned = planWireAgain();
  if (!planned) return;
  const { config, plan, artifact, wire } = planned;
  const { known, ...sources } = wire;
  const { version, network } = planKubernetes(artifact);
  const render = once(new ChartRenderer("charts", version).render);
  const releases = planReleases(withPlaceholders(known, config.dataServices.tls), sources);
  refuse("the artifact cannot run what is to be installed", await imageProblems(releases, artifact, render));
  const nodes = roomyNodes(plan, network.kind);
  refuse(
    "the Kubernetes nodes have no room for what is to be installed",
    await roomProblems(releases, nodes, render, plan.wasimoff),
  );
}

function refuse(what: string, problems: readonly string[]): void {
  if (problems.length > 0)
    throw new pulumi.RunError(
      `${what}, nothing was changed:\n${problems.map((text) => `  - ${text}`).join("\n")}`,
    );
}

/** Renders each release once, however often it is asked for. */
function once(render: RenderRelease): RenderRelease {
  const rendered = new Map<ReleaseRequest, Promise<unknown[]>>();
  return (release) => {
    const objects = rendered.get(release) ?? render(release);
    rendered.set(release, objects);
    return objects;
  };
}
