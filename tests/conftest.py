"""Ctrl-C reaches the processes that tests start, also where the suite itself runs in the background
of a shell: such jobs are started with the signal ignored, and their children inherit that."""

import signal

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
