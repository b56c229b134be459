"""Write the files that are derived from the code: `make generate`. They are no part of the package."""
