#!/usr/bin/python3
"""Writes Wire's database to standard output as an archive of pg_dump. The primary does it; another node exits with 3."""

import os

from cluster import BIN, become_postgres, primary_or_exit

become_postgres()
primary_or_exit()
os.execv(f"{BIN}/pg_dump", ["pg_dump", "--format=custom", "--dbname=wire-server"])
