"""The adapters that implement the ports of the domain, each with one library."""
