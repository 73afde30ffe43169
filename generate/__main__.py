"""Write every generated file: `python -m generate`."""

from generate.files import write

write()
