import type { Patient } from "./fault";

/** The data node that is PostgreSQL's primary. @throws Error if none is */
export const primary = async ({
  datanodes,
  reach,
}: Pick<Patient, "datanodes" | "reach">): Promise<string> => {
  for (const name of datanodes) {
    const answer = await reach(name).run(
      "cd / && sudo -u postgres psql -Atc 'select not pg_is_in_recovery()' 2>/dev/null || true",
    );
    if (answer.trim() === "t") return name;
  }
  throw new Error("no node says that it is PostgreSQL's primary");
};
