"""The command `facematch`: send pairs, look up verdicts, and operate a stack."""
