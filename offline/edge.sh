#!/usr/bin/env bash
# The image of HAProxy for the edge: the official one if an image registry answers, else Debian's package.
# shellcheck source=lib.sh source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
# shellcheck source=/dev/null  # GIX_DOCKER
. "$STATE/parts/engine"
GIX_RUNTIME_BASE=''
# shellcheck source=/dev/null
. "$STATE/parts/bases"
docker=$GIX_DOCKER

if [[ -z $GIX_RUNTIME_BASE ]]; then
    found 'the official base images'
    did 'nothing; the official image of HAProxy is pulled when it is needed'
    publish
    exit
fi
recipe=$OFFLINE/edge/haproxy.Dockerfile
image=gix-offline/haproxy:bookworm-$(fingerprint "$recipe")-${GIX_RUNTIME_BASE##*:bookworm-slim-}
if "$docker" image inspect "$image" >/dev/null 2>&1; then
    found "$image on the engine"
    did 'nothing'
else
    found 'no image of HAProxy; makes it from the Debian package (about 15 s)'
    DOCKER_BUILDKIT=1 "$docker" build --progress=plain --build-arg "BASE=$GIX_RUNTIME_BASE" -t "$image" - <"$recipe" >&2 ||
        die 'the image of HAProxy could not be made' 'see the log; this machine must reach its Debian mirror'
    did "made $image"
fi
publish GIX_EDGE_IMAGE "$image"
