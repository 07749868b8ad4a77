import { dataServices } from "../verify/data-services";
import type { Fault, Patient } from "./fault";
import { plugsOf } from "./power";
import { primary } from "./primary";

/** What happens to machines that nobody looks after: full disks, long absences, pauses. */

/** The file that takes all room; extents that nobody has written to take none of the host's. */
const filler = "/var/lib/wiab-full";

/** Takes every block of the disk, those that are kept back for root too. */
const fill = `sudo sh -c '
  fallocate --length $(($(stat --file-system --format "%f * %S" /) - 1048576)) ${filler} || true
  dd if=/dev/zero of=${filler}.rest bs=4k 2>/dev/null || true
  sync'
  df --output=avail --block-size=1 / | tail -n 1`;

const free = `sudo rm -f ${filler} ${filler}.rest`;

/** A wait that is the fault itself. */
const last = (seconds: number) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

/** A data node that is not PostgreSQL's primary, and the others. */
async function standby(patient: Patient): Promise<{ name: string; others: readonly string[] }> {
  const first = await primary(patient);
  const name = patient.datanodes.find((one) => one !== first) ?? first;
  return { name, others: patient.datanodes.filter((one) => one !== name) };
}

/** The disk of a data node without a block left, for two minutes of writes. */
const full: Fault = {
  name: "a data node's disk full, and freed",
  subjects: dataServices,
  strike: async (patient) => {
    const name = await primary(patient);
    const machine = patient.reach(name);
    try {
      const left = Number(await machine.run(fill));
      if (left > 0) throw new Error(`${name} has ${left} bytes left still`);
      await last(120);
    } finally {
      await machine.run(free);
    }
    return `${name}, PostgreSQL's primary, had no block left for two minutes`;
  },
};

/** Takes away what the others keep for one that is away, as the weeks do. */
const forget = (node: string): string => `
  sudo /opt/wiab/cassandra/nodetool truncatehints >/dev/null
  cd / && for turn in $(seq 40); do
    sudo -u postgres psql -qAtc "select 1 from pg_logical_emit_message(false, '${node}', 'away'), pg_switch_wal() where not pg_is_in_recovery()" >/dev/null || break
  done
  sudo -u postgres psql -qAt <<'END' >/dev/null
select pg_drop_replication_slot(slot_name) from pg_replication_slots where not active and not pg_is_in_recovery();
checkpoint;
END`;

/**
 * A data node that was off for so long that nobody has its share any more: Cassandra's hints (kept for three hours) and
 * PostgreSQL's WAL are gone. The clock does not go on by weeks, so tombstones and certificates are as they were.
 */
const away: Fault = {
  name: "a data node off until the others have forgotten it",
  subjects: dataServices,
  strike: async (patient) => {
    const { name, others } = await standby(patient);
    if (others.length === 0) return "not held: a single data node has nobody who could forget it";
    const { cut, boot } = plugsOf(patient.outputs, name);
    await cut();
    try {
      // Long enough for every service to have missed it, and to have written without it.
      await last(60);
      for (const other of others) await patient.reach(other).run(forget(name));
    } finally {
      await boot();
    }
    return `${name} found no hints and no WAL of its absence`;
  },
};

/** The primary's machine stopped where it is, and let go on when another has taken its place. */
const paused: Fault = {
  name: "a data node paused, and resumed",
  subjects: dataServices,
  strike: async (patient) => {
    const name = await primary(patient);
    const { pause, resume } = plugsOf(patient.outputs, name);
    await pause();
    try {
      await last(120);
    } finally {
      await resume();
    }
    return `${name}, PostgreSQL's primary, stood still for two minutes`;
  },
};

/** For the test of it, on a disk of the test's own. */
export const commands = { fill, free };

export const worldFaults: readonly Fault[] = [full, away, paused];
