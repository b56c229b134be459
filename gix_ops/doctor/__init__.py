"""`gixctl doctor`: its checks, what they find, and what mends it."""
