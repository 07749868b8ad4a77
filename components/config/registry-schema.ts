import { z } from "zod";
import { path } from "./forms";

/** Somebody's account at a registry. */
const account = z.strictObject({
  username: z
    .string()
    .regex(/^[^:\s]+$/, "must be a user name without colon and space")
    .describe("User to log in as."),
  password: z.string().min(1).meta({ secret: true }).describe("Password or token of that user. Secret."),
});

/** An image registry that is there already. */
export const registry = z.strictObject({
  address: z
    .string()
    .regex(
      /^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[1-9][0-9]{0,4})?$/,
      "must be a name or an IPv4 address, with its port if that is not 443, such as registry.example.com:5000",
    )
    .describe("Where host and Kubernetes nodes reach it, by TLS."),
  authorityFile: path
    .optional()
    .describe(
      "File on the workstation with the certificates, in PEM, of the authority that has signed its own. Default: the authorities that everybody knows.",
    ),
  push: account.describe("Who may push images to it."),
  pull: account
    .optional()
    .describe(
      "Who the nodes log in as, by HTTP's basic authentication. Default: they do not log in. It stands in a file of root's on each node.",
    ),
});
