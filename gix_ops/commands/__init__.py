"""The verbs of `gixctl`: a module for each reads the command line, calls the code that works, and prints the result."""
