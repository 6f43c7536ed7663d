"""``python -P -m target.worker [option…]``: one worker, with the options of ``celery worker``, on the shop's app.

What lies in the current folder is not the shop's: Celery by itself would look there first, for the app and for whatever that imports.
"""

import contextlib
import os
import sys

from celery.__main__ import main

if __name__ == "__main__":
    with contextlib.suppress(FileNotFoundError):  # the folder is gone
        sys.path.append(os.getcwd())  # noqa: PTH109 - compared with what Celery gets: it puts the folder first where it is missing
    sys.argv[1:1] = ["-A", "target.worker.celery", "worker"]
    main()
