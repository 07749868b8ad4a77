/**
 * Reads Ginkgo's verbose output (`-v`) line by line, and shows a line for each test that has ended. Kubernetes' tests
 * could post their progress to a URL as well; those of 1.36 post the beginning alone.
 */
export function showProgress(show: (line: string) => void = console.log): (line: string) => void {
  const started = Date.now();
  let all = "?";
  let ended = 0;
  let name = "";
  let verdict = "";
  return (line) => {
    all = /^Will run (\d+) of/.exec(line)?.[1] ?? all;
    // The name comes after the verdict where tests run side by side, and before it where one runs at a time.
    if (line.startsWith("[sig-")) name = nameIn(line);
    if (verdict) {
      const minutes = ((Date.now() - started) / 60_000).toFixed(1);
      show(`  ${verdict}  ${++ended} of ${all}, ${minutes} min  ${name}`);
    }
    const [header, failure] = /^• (?:\[(\w+)\] )?\[[\d.]+ seconds\]$/.exec(line) ?? [];
    verdict = header ? (failure ?? "ok") : "";
  };
}

/** A test's name without what Ginkgo puts into it: the kind of its last part, and its labels. */
const nameIn = (line: string): string => line.replace(" [It] ", " ").replace(/ \[sig-[^\]]*\]$/, "");
