"""What a reviewer asks for: the search for leaks, what the bundles are made of, and what is known of it."""
