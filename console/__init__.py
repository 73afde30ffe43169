"""The console: one page in the browser, beside a stack."""
