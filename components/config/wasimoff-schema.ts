import { z } from "zod";
import { path } from "./forms";
import { eraNames } from "./wasimoff-eras";

const image = z
  .string()
  .regex(
    /^[a-z0-9.-]+(:[0-9]+)?\/[a-z0-9._/-]+(:[\w][\w.-]{0,127})?(@sha256:[0-9a-f]{64})?$/,
    "must be an image reference with its registry, such as ghcr.io/wasimoff/broker:r42-g0123abc",
  );

const hostName = z
  .string()
  .regex(
    /^(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/,
    "must be a full host name in lower case, such as wasimoff.example.com",
  );

const network = z.cidrv4({ error: "must be an IPv4 network such as 192.0.2.0/24" });

/** Wasimoff: WebAssembly jobs that a broker hands to browsers. */
export const wasimoff = z.strictObject({
  era: z
    .enum(eraNames)
    .default("websocket")
    .describe(
      "What the broker's image speaks: `websocket` is upstream's today, `webtransport` that of its tag starless24. Each has variables, ports and paths of its own.",
    ),
  mode: z
    .enum(["public", "localhost"])
    .default("public")
    .describe(
      "`public`: browsers anywhere reach the broker by its host name. `localhost`: broker and providers share one kubenode's own network, and nobody else reaches them.",
    ),
  images: z
    .strictObject({
      broker: image.describe("The broker's image, best by digest; the artifact has to have it."),
      provider: image.describe(
        "The image of our providers, headless Chromium: `docker.io/library/wasimoff-provider:1` of `bundle/wasimoff.yaml`.",
      ),
    })
    .describe("Images; the artifact has to have both."),
  hostName: hostName.optional().describe("Public name of the broker. Default: `wasimoff.<domain>`."),
  certificate: z
    .strictObject({
      certificateFile: path.describe("File on the workstation with the chain in PEM."),
      privateKeyFile: path.describe("File on the workstation with its private key in PEM, mode 600."),
    })
    .optional()
    .describe("The public name's certificate. Default: that of `tls`."),
  privateAuthority: z
    .boolean()
    .default(false)
    .describe(
      "Whether the certificate may come from an authority that browsers do not know: then only machines that trust it can join. Never with `webtransport`.",
    ),
  access: z
    .strictObject({
      networks: z
        .array(network)
        .default([])
        .describe("Networks that may submit jobs and join as providers. Empty: any network."),
      token: z
        .boolean()
        .optional()
        .describe(
          "Whether everybody outside the cluster has to show a token that the stack makes (output `wasimoff.token`). Default: `true` where neither `networks` nor `open` is given.",
        ),
      open: z
        .boolean()
        .default(false)
        .describe(
          "`true`: whoever reaches the public name runs code on all providers, and can be one. The deployment guide's choice.",
        ),
    })
    .prefault({})
    .describe("Who may use the public name. The broker itself asks nobody who they are."),
  origins: z
    .array(
      z.string().regex(/^[a-z0-9*.-]+(:[0-9]+)?$/, "must be a pattern of host names, such as *.example.com"),
    )
    .default([])
    .describe("Hosts whose pages may join as providers besides the broker's own. `websocket` only."),
  environment: z
    .record(z.string(), z.string())
    .default({})
    .describe(
      "Further variables of the broker's image; one that the image of the era would ignore is refused.",
    ),
  node: z
    .string()
    .min(1)
    .optional()
    .describe("The kubenode that `localhost` is on. Default: the first one that does not retire."),
  broker: z
    .strictObject({
      memoryMiB: z.int().min(64).default(512).describe("Memory limit in MiB."),
      storageGB: z
        .int()
        .min(1)
        .default(1)
        .describe("Volume for uploaded modules, in GB. `webtransport` has none."),
    })
    .prefault({})
    .describe("The broker. There is one: its queue is in its memory."),
  providers: z
    .strictObject({
      replicas: z
        .int()
        .min(0)
        .max(64)
        .default(1)
        .describe("Number of our own providers, each a Chromium. 0: only browsers from outside."),
      workers: z.int().min(1).max(64).default(2).describe("Jobs that each runs at the same time."),
      memoryMiB: z
        .int()
        .min(512)
        .default(2048)
        .describe("Memory limit of each in MiB: about 400 for the browser, the rest for its jobs."),
    })
    .prefault({})
    .describe("Our own providers, in the cluster."),
});

/** The configuration of Wasimoff. */
export type WasimoffConfiguration = z.output<typeof wasimoff>;
