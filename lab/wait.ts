/**
 * Tries something every second until it succeeds, and gives what came of it.
 * @throws Error with the last complaint after the given seconds.
 */
export async function waitFor<T>(what: string, seconds: number, attempt: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + seconds * 1000;
  for (;;)
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() > deadline)
        throw new Error(`gave up after ${seconds} s waiting for ${what}: ${(error as Error).message}`);
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
}
