"""What recording the history costs: one generator at full speed, its history switched on and off forty times a second.

Aim: with history at least 0.95 of the throughput without.
"""

import tempfile

import sides
from endpoint import endpoint

REPEATS = 3
AIM = 0.95


def main() -> None:
    print("requests per CPU second of the generator, Locust's request event fired in both")
    with endpoint() as url, tempfile.TemporaryDirectory() as parent:
        measured = [sides.on_and_off(url, sides.run_dir(parent)) for _ in range(REPEATS)]
    for on, off, ratio in measured:
        print(f"  history on {on:9,.0f}   off {off:9,.0f}   on / off = {ratio:.3f}")
    median = sorted(ratio for _, _, ratio in measured)[REPEATS // 2]
    print(f"median on / off = {median:.3f} (aim ≥ {AIM:g}: {'met' if median >= AIM else 'MISSED'})")


if __name__ == "__main__":
    main()
