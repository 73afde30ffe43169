"""The checks of `facematch doctor`, one module per part of a stack. Only the paid sample writes anything."""
