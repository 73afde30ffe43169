"""Code that the command and the console share: it finds a stack, calls its API and reads its records."""
