"""What the command and the console share: finding a stack, asking it, and reading its records."""
