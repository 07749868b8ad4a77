#!/usr/bin/python3
"""Puts what backup wrote, on standard input, in the place of Wire's database; on the primary alone, another node exits
with 3. It is restored beside the present database, which goes only when all of it is there."""

import subprocess
import sys

from cluster import BIN, NAME, become_postgres, primary_or_exit

DATABASE, BESIDE = "wire-server", "wire-server restored"


def psql(text):
    command = [f"{BIN}/psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", "postgres"]
    return subprocess.run(command, input=text, text=True, check=True, stdout=subprocess.PIPE).stdout.strip()


def main():
    present = psql(f"select pg_size_pretty(sum(pg_database_size(oid))) from pg_database where datname = '{DATABASE}'")
    print(f"replacing the database {DATABASE} on {NAME}, {present or 'empty'} now, and ending its clients' connections", file=sys.stderr)
    psql(f'drop database if exists "{BESIDE}" with (force);\ncreate database "{BESIDE}" owner "{DATABASE}" template template0;')
    restored = subprocess.run([f"{BIN}/pg_restore", "--exit-on-error", f"--dbname={BESIDE}"], stdin=sys.stdin)
    if restored.returncode != 0:
        psql(f'drop database "{BESIDE}" with (force);')
        sys.exit(f"error: this is no whole archive of pg_dump; the database {DATABASE} is as it was")
    # Nobody connects in between, and a run that is killed leaves one of the two under the name.
    psql(
        f"""alter database "{DATABASE}" allow_connections false;
begin;
select pg_terminate_backend(pid, 10000) from pg_stat_activity where datname in ('{DATABASE}', '{BESIDE}');
alter database "{DATABASE}" rename to "{DATABASE} replaced";
alter database "{BESIDE}" rename to "{DATABASE}";
commit;
drop database "{DATABASE} replaced" with (force);"""
    )
    print(f"the database {DATABASE} is as it was when it was backed up", file=sys.stderr)


become_postgres()
primary_or_exit()
main()
