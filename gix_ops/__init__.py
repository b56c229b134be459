"""Day-two work on a GIX stack: the `gixctl` command, a module or a folder for each verb."""
