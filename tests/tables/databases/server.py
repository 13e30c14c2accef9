"""A PostgreSQL server of one's own: a cluster in a temporary folder, on 127.0.0.1, gone when the tests are done."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

USER = "gradline"
PASSWORD = "s3cr/et@#1%"
"""Holds what an address must have written otherwise."""

NOT_INSTALLED = "PostgreSQL's server programs are not installed: nothing is read from it (apt-get install postgresql to have it tested)"


@dataclass(frozen=True)
class Server:
    port: int

    def address(self, password=quote(PASSWORD, safe=""), user=USER, port=None, database="postgres"):
        return f"postgresql://{user}:{password}@127.0.0.1:{port or self.port}/{database}"

    def connect(self):
        import adbc_driver_postgresql.dbapi

        return adbc_driver_postgresql.dbapi.connect(self.address(), autocommit=True)

    def run(self, *statements):
        with self.connect() as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)


def programs():
    """The folder of initdb and pg_ctl; None where they are not installed. Debian keeps them off the path."""
    on_path = shutil.which("initdb")
    found = [Path(on_path).parent] if on_path else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return next((folder for folder in reversed(found) if (folder / "initdb").exists() and (folder / "pg_ctl").exists()), None)


@contextmanager
def running(folder):
    """The server, started with the programs of ``folder``. It refuses to run as root, so that root lends it a user without rights."""
    home = Path(tempfile.mkdtemp(prefix="gradline-postgresql-"))
    who = {}
    if os.getuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(home, nobody.pw_uid, nobody.pw_gid)
        who = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    secret, data = home / "password", str(home / "data")
    secret.write_text(PASSWORD)
    secret.chmod(0o644)

    def call(program, *arguments):
        # pg_ctl's server would hold a pipe open for as long as it lives.
        with open(home / "log", "ab") as log:
            subprocess.run(
                [str(folder / program), "-D", data, *arguments], check=True, cwd=home, stdout=log, stderr=log, timeout=120, **who
            )

    try:
        call(
            "initdb",
            "-U",
            USER,
            "-A",
            "scram-sha-256",
            f"--pwfile={secret}",
            "--no-sync",
            "--locale=C",
            "--encoding=UTF8",
            "--no-instructions",
        )
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off -c timezone=UTC"
        call("pg_ctl", "-w", "-t", "60", "-o", options, "start")
        try:
            yield Server(port)
        finally:
            call("pg_ctl", "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(home, ignore_errors=True)
