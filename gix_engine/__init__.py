"""The Docker engine as the program and gixctl see it: the connection, and the observed state."""
