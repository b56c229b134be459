"""Start the plugin: print its port, then serve the Pulumi engine until that ends."""

import os
import sys

from offline.docker_plugin.lazy_imports import defer_unused_imports


def main() -> None:
    """Run the plugin as the command line asks."""
    # gRPC's fork handlers sometimes hang or end the child before it becomes the ssh command of an engine at ssh://.
    # gRPC reads this variable when it is imported.
    os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "false"
    defer_unused_imports()
    from offline.docker_plugin.server import serve

    serve(sys.argv[1:])


if __name__ == "__main__":
    main()
