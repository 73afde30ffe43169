import os

# Powertools reads these when a handler is first imported, whichever test that is.
os.environ.setdefault("POWERTOOLS_METRICS_NAMESPACE", "facematch")
os.environ.setdefault("POWERTOOLS_SERVICE_NAME", "tests")
