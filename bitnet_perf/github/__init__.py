"""Check runs and the ledger comment of a pull request. What is posted was decided before."""
