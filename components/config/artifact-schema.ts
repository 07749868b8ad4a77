import { z } from "zod";
import { path } from "./forms";
import { registry } from "./registry-schema";

/** Where everything on the machines comes from. */
export const artifact = z.strictObject({
  sources: z
    .array(
      z.strictObject({
        manifest: path.describe(
          "What the artifact holds: its `manifest.json`, a path relative to the project. `npm run bundle` writes it; for Wire's artifact `npm run artifact -- manifest` does.",
        ),
        location: z
          .string()
          .regex(
            /^(https?:\/\/[^\s@?#]+|\/.*)$/,
            "must be an absolute path on the KVM host, or an http(s) URL without user, password and query, which would stand in the state and in logs",
          )
          .describe(
            "The folder that has the artifact's archives: a URL that the host fetches them from, or an absolute path on the host.",
          ),
      }),
    )
    .min(1)
    .describe(
      "One artifact, or several whose files complement one another: Wire's, and a bundle with what the asset host itself runs.",
    ),
  storePath: path
    .regex(/^\//, "must be an absolute path")
    .optional()
    .describe(
      "Directory on the host for the unpacked artifact, made by the stack. Default: `/var/lib/wiab/<network.name>`.",
    ),
  seed: z
    .enum(["needed", "all"])
    .default("needed")
    .describe(
      "`needed`: a Kubernetes node pulls from the registry what it runs. `all`: every node imports every image beforehand.",
    ),
  registry: registry
    .optional()
    .describe(
      "An image registry that is there already: it gets the artifact's images, without the names of the registries that they come from, and is the nodes' mirror. Default: the asset host's own.",
    ),
});
