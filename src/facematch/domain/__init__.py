"""What facematch is about, in plain Python: no AWS, no HTTP, no SDK."""
