import { execFileSync } from "node:child_process";
import { expect, it } from "vitest";

// A systemd that knows the unit files that are there, and refuses to disable any other one, as it does.

const systemctl = `systemctl() {
  [ -e "/etc/systemd/system/\${*: -1}" ] || { echo "Unit file \${*: -1} does not exist." >&2; return 1; }
  echo "systemctl $*"
}`;

/** Runs commands with the data services' functions, on a machine with these timers and no others. */
const run = (timers: readonly string[], commands: string) =>
  execFileSync(
    "unshare",
    [
      "--mount",
      "bash",
      "-euc",
      `mount -t tmpfs tmpfs /etc/systemd/system
       cd /etc/systemd/system && touch README ${timers.map((name) => `${name}.timer`).join(" ")} && cd - >/dev/null
       ${systemctl}
       . components/data-services/service.sh
       ${commands}`,
    ],
    { encoding: "utf8" },
  );

it("ends the timers that a node has, and goes on where an earlier version has left it without one", () => {
  expect(
    run(["wiab-cassandra-care"], "drop_timer wiab-cassandra-care; drop_timer wiab-cassandra-catch-up"),
  ).toBe("systemctl --quiet disable --now wiab-cassandra-care.timer\n");
  expect(() => run([], "systemctl --quiet disable --now wiab-cassandra-catch-up.timer")).toThrow(
    "does not exist",
  );
});
