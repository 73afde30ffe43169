"""The command `facematch`: for those who run a stack, send pairs to it, and ask what became of them."""
