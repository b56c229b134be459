#!/usr/bin/env bash
# Small Debian packages that the set-up and the program need; with --tests also what the tests need.
# shellcheck source=lib.sh source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"

registry=$CACHE/docker-registry-$(uname -m)
missing=()
python_does() { python3 -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
python_does || missing+=(python3-venv)
command -v curl >/dev/null || missing+=(curl ca-certificates)

# Out of its package without installing it: an installed one would start a service.
unpack_registry() {
    local work=$1.work
    rm -rf "$work"
    mkdir -p "$work" &&
        (cd "$work" && { apt-get download docker-registry || { apt-get update && apt-get download docker-registry; }; }) >&2 &&
        dpkg-deb -x "$work"/docker-registry_*.deb "$work/root" &&
        mv "$work/root/usr/bin" "$1" &&
        rm -rf "$work"
}

action=()
if ((${#missing[@]})); then
    found "missing: ${missing[*]}"
    apt_install "${missing[@]}"
    python_does || die "python3 ($(command -v python3)) is older than 3.11, or has no venv" 'have Python 3.11 or later first on PATH'
    action+=("installed ${missing[*]}")
else
    found 'python3 with venv, and curl'
fi
if [[ ${1-} == --tests && ! -x $registry/docker-registry ]] && ! command -v docker-registry >/dev/null; then
    cached "$(basename "$registry")" unpack_registry ||
        die 'no docker-registry to test against' 'see the log; apt-get install docker-registry puts it on PATH too'
    action+=("unpacked docker-registry into $registry")
fi
did "${action[@]:-nothing}"
if [[ -x $registry/docker-registry ]]; then publish GIX_TEST_TOOLS "$registry"; else publish; fi
