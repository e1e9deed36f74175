"""Ctrl-C reaches the processes that tests start, also where the suite itself runs in the background
of a shell: such jobs are started with the signal ignored, and their children inherit that.

No time decides a test: properties have no deadline on a host that others use, too. Nor does the
width of a terminal that readline found before it started the processes that run the tests."""

import contextlib
import os
import signal

os.environ.pop("COLUMNS", None)

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

with contextlib.suppress(ImportError):  # under emulators there is no Hypothesis
    from hypothesis import settings

    settings.register_profile("any host", deadline=None)
    settings.load_profile("any host")
