"""CI's verdict on `make test`: what failed in it is run once more, by itself. What passes then is flaky, and CI stays green.

Style, types, and a pytest that collected nothing, crashed or was killed are red at once.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.outcomes import Outcome

# More are no chance, and to run each again would take CI too long; so would one that hangs.
MOST = 20
AGAIN_S = 360


def what_is_wrong(directory: Path, make: int) -> list[str]:
    """What no second run mends, of the parts that `make test` left in `directory` when it ended with `make`."""
    listed = directory / "parts"
    parts = listed.read_text(encoding="utf-8").split() if listed.exists() else []
    wrong = [f"{part}: {why}" for part in parts if (why := broken(directory, part))]
    if make and not wrong and not failures(directory):
        wrong.append(f"make ended with {make}")
    return wrong


def broken(directory: Path, part: str) -> str | None:
    """Why a part did not end as one whose tests ran."""
    ended = directory / f"{part}.code"
    if not ended.exists():
        return "failed, or did not end"
    code, outcome = int(ended.read_text(encoding="utf-8")), Outcome.read(directory / f"{part}.json")
    if part == "lint" or (outcome and outcome.exit_code == code == (1 if outcome.failed else 0)):
        return None
    return f"pytest ended with {code}" + ("" if outcome else ", before its tests had ended")


def failures(directory: Path) -> list[str]:
    """The tests that failed."""
    outcomes = (Outcome.read(path) for path in sorted(directory.glob("*.json")))
    return [test for outcome in outcomes if outcome for test in outcome.failed]


def passes(test: str, outcome: Path, until_s: float) -> bool:
    """Whether a test passes, rather than being skipped, in a process of its own that ends before then."""
    command = [sys.executable, "-m", "pytest", test]
    env = {**os.environ, "LOADTEST_OUTCOME": str(outcome)}
    try:
        done = subprocess.run(command, env=env, timeout=max(1.0, until_s - time.monotonic()), check=False)
    except subprocess.TimeoutExpired:
        return False
    told = Outcome.read(outcome)
    return done.returncode == 0 and told is not None and told.passed > 0


def say(word: str, things: list[str]) -> None:
    for thing in things:
        print(word, thing, flush=True)


def verdict(directory: Path, make: int) -> int:
    """Says what is red and what is flaky, and returns CI's exit code."""
    wrong, failed = what_is_wrong(directory, make), failures(directory)
    if len(failed) > MOST:
        wrong.append(f"{len(failed)} tests failed: too many for chance")
    if wrong:
        say("FAILED", failed)
        say("RED", wrong)
        print("CI: red; what failed was not run again")
        return 1
    until_s = time.monotonic() + AGAIN_S
    flaky, twice = [], []
    for number, test in enumerate(failed):
        passed = passes(test, directory / f"again-{number}", until_s)
        (flaky if passed else twice).append(test)
        say("FLAKY" if passed else "FAILED TWICE", [test])
    print("CI:", "; ".join(end(flaky, twice)))
    return 1 if twice else 0


def end(flaky: list[str], twice: list[str]) -> list[str]:
    """The line that ends CI, in parts."""
    told = [f"{word}: {', '.join(tests)}" for word, tests in (("failed twice", twice), ("flaky", flaky)) if tests]
    return ["red" if twice else "green", *told]


if __name__ == "__main__":
    sys.exit(verdict(Path(sys.argv[1]), int(sys.argv[2])))
