"""Tools for a security review: the search for leaks, bills of materials, known vulnerabilities, licences."""
