import type { Configuration } from "../config/schema";

/** What is wrong with a configuration: the key concerned, what was found and what is accepted. */
export interface Problem {
  readonly key: string;
  readonly message: string;
  /** Line of the stack's file. @default that of the key */
  readonly line?: number;
}

/** A configuration of which only some sections are needed. */
export type Sections<K extends keyof Configuration> = Pick<Configuration, K>;
