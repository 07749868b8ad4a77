import { Listr, ListrLogger, type ListrOptions, type ListrTask, PRESET_TIMER, ProcessOutput } from "listr2";

/** Runs tasks and says in a line of each when it begins and ends: others may be running, and printing, meanwhile. */
export async function inLines(tasks: readonly ListrTask[], options: ListrOptions): Promise<void> {
  await new Listr([...tasks], {
    renderer: "simple",
    rendererOptions: {
      timer: PRESET_TIMER,
      // The standard output belongs to the command that is about to be run.
      logger: new ListrLogger({
        useIcons: true,
        processOutput: new ProcessOutput(process.stderr, process.stderr),
      }),
    },
    ...options,
  }).run();
}
