import { z } from "zod";
import { path } from "./forms";
import { releaseNames } from "./releases";

const backend = z
  .string()
  .regex(
    /^(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/,
    "must be a domain name alone, in lower case, such as wire.example.org",
  );

const email = z.email({ error: "must be a mail address such as admin@example.com" });

/** Where Wire's charts come from and what the operator sets in them. */
export const wire = z.strictObject({
  charts: z
    .strictObject({
      directory: path
        .optional()
        .describe(
          "Folder on the workstation with one chart for each release, as a folder or a `.tgz` named after it, with the charts that it depends on inside: `charts/` of the artifact.",
        ),
      repository: z
        .string()
        .regex(
          /^(https?|oci):\/\/[^\s@]+$/,
          "must be the URL of a Helm repository, without user and password",
        )
        .optional()
        .describe(
          "A Helm repository that has all the charts in the versions of `components/config/releases.ts`.",
        ),
    })
    .optional()
    .describe("Where the charts come from. Without it nothing of Wire is installed."),
  federationDomain: backend
    .optional()
    .describe(
      "Domain that users and conversations belong to, which they keep for ever; give the former one here when `domain` changes. Default: `domain`.",
    ),
  values: z
    .partialRecord(z.enum(releaseNames), z.record(z.string(), z.unknown()))
    .default({})
    .describe(
      "Chart values by release, which take precedence over all others: `webapp: {replicaCount: 1}`. A secret among them has to be stored encrypted: `pulumi config set --secret --path 'wire.values.webapp.…'`.",
    ),
});

/** The certificate of the public host names. */
export const tls = z.strictObject({
  certificateFile: path
    .optional()
    .describe(
      "File on the workstation with a certificate for all host names in PEM, followed by those of the authorities between it and the root.",
    ),
  privateKeyFile: path.optional().describe("File on the workstation with its private key in PEM, mode 600."),
  acme: z
    .strictObject({
      email: email.describe("Where Let's Encrypt writes to when a certificate runs out."),
      production: z
        .boolean()
        .default(true)
        .describe("`false`: Let's Encrypt's staging service, whose certificates no browser trusts."),
    })
    .optional()
    .describe("Certificates from Let's Encrypt instead, which has to reach port 80 of the public address."),
});

/** What of Wire is switched on. */
export const features = z.strictObject({
  registration: z.boolean().default(true).describe("Whether anybody may create an account or a team."),
  teamSettings: z
    .boolean()
    .default(true)
    .describe("Whether there is the team management at `teams.<domain>`."),
  sso: z.boolean().default(false).describe("Whether teams may log in by single sign-on from the start."),
  legalhold: z
    .boolean()
    .default(false)
    .describe("Whether teams may switch on legal hold, with a service of their own."),
  mls: z
    .boolean()
    .default(false)
    .describe("Whether new teams use Messaging Layer Security. The keys are there in any case."),
  federation: z
    .strictObject({
      domains: z
        .array(
          z.strictObject({
            domain: backend.describe("The other backend's domain."),
            search: z
              .enum(["no_search", "exact_handle_search", "full_search"])
              .default("exact_handle_search")
              .describe("How its users are found from here."),
          }),
        )
        .min(1)
        .describe("The backends whose users can be reached."),
      authoritiesFile: path.describe(
        "File on the workstation with the certificates of the authorities, in PEM, that the other backends' certificates come from.",
      ),
    })
    .optional()
    .describe("Federation with other backends. Without it there is none."),
});
