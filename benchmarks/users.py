"""What a file of a million users costs a generator: the time to find and check its rows, and the memory that it takes.

Both for a plain file and for one with every field in quotes. Aims: under 3 s of a processor, and 300 MiB for the process.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

USERS = 1_000_000
AIM_S, AIM_MIB = 3.0, 300.0
READ = """
import resource, sys, time
from pathlib import Path
from loadtest.manifest.accounts import Buyers
from loadtest.talk.roster import Rows
users, path = int(sys.argv[2]), Path(sys.argv[1])
began, cpu_s = time.perf_counter(), time.process_time()
rows = Rows.read(path, users, Buyers(file=path.name, integers=("phone",)))
took_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu_s
assert len(rows) == users and rows.row(users - 1)[0] == f"user-{users - 1}"
print(took_s, cpu_s, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for what, row in (("plain", "user-{n},pw{n:x},{p}\n"), ("in quotes", '"user-{n}","pw{n:x}","{p}"\n')):
            path = Path(folder) / "users.csv"
            with path.open("w", encoding="utf-8") as file:
                file.write("user,password,phone\n")
                file.writelines(row.format(n=n, p=13_800_000_000 + n) for n in range(USERS))
            command = [sys.executable, "-c", READ, str(path), str(USERS)]
            done = subprocess.run(
                command, check=True, capture_output=True, text=True, encoding="utf-8", cwd=Path(__file__).parent.parent
            )
            took_s, cpu_s, mib = map(float, done.stdout.split())
            met = "met" if cpu_s < AIM_S and mib < AIM_MIB else "MISSED"
            print(
                f"{USERS:,} users, {what}, {path.stat().st_size / 1e6:.0f} MB: {cpu_s:.1f} s of a processor ({took_s:.1f} s here), {mib:.0f} MiB "
                f"(aim < {AIM_S:g} s and {AIM_MIB:g} MiB: {met})"
            )


if __name__ == "__main__":
    main()
