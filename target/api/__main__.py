"""``python -P -m target.api [option…]``: uvicorn, with its own options, on the shop's app.

What lies in the current folder is not the shop's: uvicorn by itself would look there first, for the app and for whatever that imports.
"""

import sys
from pathlib import Path

import uvicorn

ROOT = Path(__file__).parent.parent.parent

if __name__ == "__main__":
    uvicorn.main(["target.api.app:app", "--app-dir", str(ROOT), *sys.argv[1:]])
