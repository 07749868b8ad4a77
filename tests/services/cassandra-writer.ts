import type { ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import { kill, type Machine, until } from "../fixtures/machine";

const program = `
import sys, time
sys.path.insert(0, "/root")
import cql, ring
nodes = [ring.Node({"name": "", "address": address, "retiring": False}, True) for address in sys.argv[1:]]
number, at, session = 0, 0, None
acknowledged = open("/root/acknowledged", "a", buffering=1)
while True:
    number += 1
    try:
        session = session or nodes[at].session(timeout=15)
        session.query(f"INSERT INTO brig.written (k) VALUES ({number})", cql.QUORUM)
        print(number, file=acknowledged)
    except (OSError, cql.CqlError):
        at, session = (at + 1) % len(nodes), None
    time.sleep(0.02)
`;

const check = `
import sys
sys.path.insert(0, "/root")
import cql, ring
numbers = [int(line) for line in open("/root/acknowledged")]
with ring.Node({"name": "", "address": sys.argv[1], "retiring": False}, True).session(timeout=60) as session:
    kept = {row["k"] for row in session.query("SELECT k FROM brig.written", cql.QUORUM)}
missing = [number for number in numbers if number not in kept]
print(len(numbers), *missing)
`;

/**
 * A client that writes numbers at QUORUM, by TLS or without, to the next node where one fails, and keeps account of what
 * was acknowledged.
 */
export class CassandraWriter {
  private constructor(
    private readonly machine: Machine,
    private readonly addresses: readonly string[],
    private readonly child: ChildProcess,
  ) {}

  static async start(
    machine: Machine,
    addresses: readonly string[],
    authority: string,
  ): Promise<CassandraWriter> {
    for (const file of ["cql.py", "ring.py"])
      machine.write(`/root/${file}`, readFileSync(`components/data-services/cassandra/${file}`));
    machine.write("/etc/wiab/cassandra/authority.crt", authority);
    machine.write("/root/writer.py", program);
    machine.write("/root/check.py", check);
    machine.write("/root/acknowledged", "");
    await machine.run(
      `python3 -c 'import sys; sys.path.insert(0, "/root"); import cql; cql.Session("${addresses[0]}").query("CREATE TABLE brig.written (k int PRIMARY KEY)")'`,
    );
    const child = machine.spawn("-c", `exec python3 /root/writer.py ${addresses.join(" ")}`);
    const writer = new CassandraWriter(machine, addresses, child);
    await writer.writesOn();
    return writer;
  }

  async acknowledged(): Promise<number> {
    return this.machine.read("/root/acknowledged").split("\n").length - 1;
  }

  /** Waits until more is acknowledged than now. */
  async writesOn(): Promise<void> {
    const before = await this.acknowledged();
    await until(
      "the client's writes are acknowledged",
      async () => (await this.acknowledged()) > before + 5,
      150,
    );
  }

  /** Looks up all that was acknowledged. */
  async check(): Promise<{ readonly acknowledged: number; readonly missing: readonly string[] }> {
    const [acknowledged, ...missing] = (
      await this.machine.run(`python3 /root/check.py ${this.addresses[2]}`)
    ).split(" ");
    return { acknowledged: Number(acknowledged), missing };
  }

  async stop(): Promise<void> {
    await kill(this.child);
  }
}
