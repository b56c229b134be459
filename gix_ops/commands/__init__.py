"""The words of the `gixctl` command: a module reads a group of verbs, calls what does them, and shows the outcome."""
