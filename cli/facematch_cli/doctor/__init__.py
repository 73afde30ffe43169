"""What `facematch doctor` checks: one module for each part of a stack. All but a paid sample only reads."""
