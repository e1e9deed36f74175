"""The five sections of a judged report, a file each."""
