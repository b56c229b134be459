"""Start the plugin: print the port it serves, then serve the Pulumi engine until it ends."""

import sys

from offline.docker_plugin.server import serve

if __name__ == "__main__":
    serve(sys.argv[1:])
