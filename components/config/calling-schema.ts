import { z } from "zod";
import { callingPorts } from "./ports";

/** Keys of `calling`, but for the machine that carries it. */
export const callingSettings = {
  enabled: z.boolean().default(true).describe("Whether sftd and coturn are deployed and their ports opened."),
  firstMediaPort: z
    .int()
    .min(callingPorts.media.first)
    // A conference takes a port for each of its participants.
    .max(callingPorts.relays - 1024)
    .default(callingPorts.media.first)
    .describe(
      "First UDP port of conference calls; ports below it stay with the host. Those from 49152 on are the relay's, always.",
    ),
};
