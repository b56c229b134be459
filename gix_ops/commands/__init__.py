"""The words of the `gixctl` command: each module here reads a group of verbs, calls their modules, shows the outcome."""
