"""The console: a web page for one stack."""
