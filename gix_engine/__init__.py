"""The Docker engine as the program and gixctl see it: the connection, and what the engine holds."""
