"""Start the plugin: print the port it serves, then serve the Pulumi engine until it ends."""

import os
import sys

from offline.docker_plugin.lazy_imports import defer_unused_imports


def main() -> None:
    """Run the plugin as the command line asks."""
    # gRPC's own work at a fork now and then ends the child before it becomes the ssh command of an engine at ssh://.
    os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "false"
    defer_unused_imports()
    from offline.docker_plugin.server import serve

    serve(sys.argv[1:])


if __name__ == "__main__":
    main()
