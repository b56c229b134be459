"""Start the plugin: print its port, then serve the Pulumi engine until that ends."""

import sys

from offline.docker_plugin.lazy_imports import defer_unused_imports


def main() -> None:
    """Run the plugin as the command line asks."""
    defer_unused_imports()
    from offline.docker_plugin.server import serve

    serve(sys.argv[1:])


if __name__ == "__main__":
    main()
