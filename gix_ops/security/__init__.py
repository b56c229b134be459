"""`gixctl audit` and `gixctl scan`: how safe containers and images are."""
