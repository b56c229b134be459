"""Day-two work on a GIX stack: the `gixctl` command, one module for each verb."""
