import { z } from "zod";

/** One run of a module. */
export interface Job {
  /** Name or reference of an uploaded module. */
  readonly module: string;
  /** Arguments, the program's own name first. */
  readonly args: readonly string[];
  /** Variables as NAME=value. */
  readonly envs: readonly string[];
  readonly stdin: Uint8Array;
  /** Reference of an uploaded ZIP archive with files. @default none */
  readonly files?: string | undefined;
  /** Paths of files that are to come back. */
  readonly artifacts: readonly string[];
}

/** The file of jobs that the deployment guide's client takes. */
const format = z.strictObject({
  bin: z.string().min(1),
  envs: z.array(z.string()).default([]),
  exec: z
    .array(
      z.strictObject({
        args: z.array(z.string()).default([]),
        envs: z.array(z.string()).default([]),
        stdin: z.string().default(""),
        loadfs: z.array(z.string()).max(1).default([]),
        datafile: z.string().optional(),
      }),
    )
    .min(1),
  trace: z.boolean().optional(),
});

/**
 * Reads a file of jobs. `loadfs` may name one uploaded ZIP archive; `trace` means nothing here.
 * @throws Error that says what is wrong and where.
 */
export function parseJobs(text: string, name: string): Job[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`${name} is no JSON: ${(error as Error).message}`);
  }
  const parsed = format.safeParse(value);
  if (!parsed.success)
    throw new Error(
      `${name} is no file of jobs:\n${parsed.error.issues
        .map(({ path, message }) => `  - ${path.join(".") || "the file"}: ${message}`)
        .join("\n")}`,
    );
  const { bin, envs, exec } = parsed.data;
  return exec.map((one) => ({
    module: bin,
    args: one.args.length > 0 ? one.args : [bin],
    envs: [...envs, ...one.envs],
    stdin: new TextEncoder().encode(one.stdin),
    files: one.loadfs[0],
    artifacts: one.datafile === undefined ? [] : [one.datafile],
  }));
}

/**
 * Does something for each of a list, a few at a time. @returns what came of each, in the order of the list.
 * @param width - How many at a time.
 */
export async function inOrder<T, R>(
  list: readonly T[],
  width: number,
  work: (one: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results: R[] = new Array(list.length);
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < list.length; index = next++)
      results[index] = await work(list[index] as T, index);
  };
  await Promise.all(Array.from({ length: Math.min(width, list.length) }, worker));
  return results;
}
