"""`gixctl plan`: what a preview means for people."""
