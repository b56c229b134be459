"""`gixctl doctor`: checks that find problems, and remedies for those that are safe to fix."""
