import type { ArtifactManifest } from "../artifact/manifest";
import type { Path } from "./encrypted";
import type { Problem } from "./problem";
import type { StackFile } from "./stack-file";

/** What the rules need to know of the world outside the configuration. */
export interface Surroundings {
  /** Why a file on the workstation cannot be used as a private key; undefined if it can. */
  readonly keyFileProblem: (path: string) => string | undefined;
  /** Reads a text file on the workstation; throws an Error that says why it cannot. */
  readonly readText: (path: string) => string;
  /** Reads a file on the workstation that nobody but its owner may read; throws an Error that says why it cannot. */
  readonly readSecret: (path: string) => Uint8Array;
  /** Reads the manifest of an artifact; throws an Error that says why it cannot. */
  readonly readManifest: (path: string) => ArtifactManifest;
  /** The places of what is stored encrypted in the stack's configuration; a section's stands for all below it. */
  readonly encrypted: readonly Path[];
  /** The text that the values come from; undefined where it is not at hand. */
  readonly stackFile?: StackFile;
  /** Keys of the stack that lie in no namespace which anything reads. */
  readonly strayKeys?: readonly Problem[];
}
