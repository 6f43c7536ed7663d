"""What it costs a buyer to read an answer by the manifest's rules: by status alone, and with a value of a JSON body.

Measured in slices of one process's time, in turn, against the bare endpoint. Aims: rules by status at least 0.98 of a mere look into a
dictionary, and one JSON rule at least 0.85 of rules by status.
"""

import tempfile

import sides
from endpoint import endpoint

REPEATS = 5
AIMS = {"status": 0.98, "json": 0.85}
SAID = {"status": "rules by status / a look into a dictionary", "json": "a rule on a JSON value / rules by status"}


def main() -> None:
    print(f"requests per CPU second, POST on {sides.CONNECTIONS} connections, in turns; medians of {REPEATS}")
    with endpoint() as url, tempfile.TemporaryDirectory() as runs:
        for what, aim in AIMS.items():
            found = sorted(
                (sides.on_and_off(url, sides.run_dir(runs), what) for _ in range(REPEATS)), key=lambda f: f[2]
            )
            on, off, ratio = found[REPEATS // 2]
            met = "met" if ratio >= aim else "MISSED"
            print(f"  {SAID[what]}: {on:,.0f} / {off:,.0f} = {ratio:.3f} (aim ≥ {aim:g}: {met})")


if __name__ == "__main__":
    main()
