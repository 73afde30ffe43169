"""What facematch does, one step of a comparison per module."""
