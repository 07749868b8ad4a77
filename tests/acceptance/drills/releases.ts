import { spawn } from "node:child_process";
import { recover } from "../../../cli/recover";
import { waitFor } from "../../../lab/wait";
import { projectDirectory } from "../../../toolchain/environment";
import { type Drill, type DrillGround, type Edit, expectEqual } from "./ground";

const image = "docker.io/library/there-is-none:1";

/** A release whose image nobody has, and one whose pods never get ready: both wait for as long as Helm does. */
const broken: Edit = ({ wire }) => {
  const [repository, tag] = image.split(":") as [string, string];
  wire.values = {
    ...wire.values,
    "account-pages": { image: { repository, tag } },
    "team-settings": { config: { externalUrls: { appHost: "no host name" } } },
  };
};

/** What the errors of that run have to have, by what it is called here. */
const evidence: Record<string, RegExp> = {
  "the release": /Helm release account-pages is not up:\s+pod account-pages-\S+: Pending/,
  "the container's state": /container account-pages: (ErrImagePull|ImagePullBackOff): .*there-is-none:1/,
  "the pod's events": /event Failed.*there-is-none:1/,
  "the other release": /Helm release team-settings is not up:/,
  "the last lines of its log": /last lines of team-settings:\s+.*urls: .*"no host name" is no host name/,
};

const statusOf = async ({ kubectl }: DrillGround, release: string): Promise<string> =>
  (
    await kubectl(
      `get secret --selector owner=helm,name=${release} --sort-by .metadata.creationTimestamp --output 'jsonpath={.items[-1:].metadata.labels.status}'`,
    )
  ).trim();

export const releaseDrills: readonly Drill[] = [
  {
    name: "releases whose pods do not come up",
    hold: async (ground) => {
      const begun = Date.now();
      let summary = "";
      try {
        const { succeeded, text } = await ground.tryUp(broken);
        if (succeeded) throw new Error("up has succeeded with an image that nobody has");
        const without = Object.entries(evidence).filter(([, pattern]) => !pattern.test(text));
        if (without.length > 0)
          throw new Error(
            `the error lacks ${without.map(([what]) => what).join(", ")}:\n${text.split("\n").slice(-60).join("\n")}`,
          );
      } finally {
        // With the fault repaired, and nothing done by hand.
        summary = await ground.up();
      }
      const minutes = ((Date.now() - begun) / 60_000).toFixed(0);
      return `the error has ${Object.keys(evidence).join(", ")}; the next up: ${summary}; ${minutes} min`;
    },
  },
  {
    name: "a run killed while Helm is at work",
    hold: async (ground) => {
      const { env, home, stack } = ground;
      let done: string[] = [];
      let repaired: Awaited<ReturnType<DrillGround["tryUp"]>> | undefined;
      try {
        const engine = spawn("pulumi", ground.upArguments(await ground.edited(broken)), {
          cwd: projectDirectory,
          env: { ...process.env, ...env },
          stdio: "ignore",
        });
        const ended = new Promise((resolve) => engine.once("close", resolve));
        try {
          await waitFor("Helm to be at work", 300, async () => {
            const status = await statusOf(ground, "account-pages");
            if (!status.startsWith("pending-")) throw new Error(`the release is ${status}`);
          });
        } finally {
          engine.kill("SIGKILL");
          await ended;
        }
      } finally {
        done = await recover(env, home, stack, async () => true);
        repaired = await ground.tryUp();
      }
      if (!repaired.succeeded) throw new Error(repaired.text.split("\n").slice(-40).join("\n"));
      const unlocked = /account-pages: an earlier run was killed .*removed (\S+)/.exec(repaired.text)?.[1];
      if (!unlocked) throw new Error(`up says nothing of what Helm had left:\n${repaired.text}`);
      for (const release of ["account-pages", "team-settings"])
        expectEqual([`${release} is ${await statusOf(ground, release)}`], [`${release} is deployed`]);
      return `recover: ${done.join(", ")}; the next up removes ${unlocked} and goes on`;
    },
  },
];
