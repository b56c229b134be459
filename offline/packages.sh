#!/usr/bin/env bash
# Debian packages that the set-up and the program need. --tests: also those of the tests.
# shellcheck source=lib.sh source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"

test_packages=(docker-registry busybox-static debootstrap openssh-server libwrap0)
tools=$CACHE/test-tools-$(printf %s "${test_packages[*]}" | sha256sum | cut -c1-8)-$(uname -m)
missing=()
python_does() { python3 -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
python_does || missing+=(python3-venv)
command -v curl >/dev/null || missing+=(curl ca-certificates)
[[ ${1-} != --tests ]] || command -v ssh >/dev/null || missing+=(openssh-client)

# Unpacks the packages without installing them: an installed registry or SSH server would start a service.
unpack_tools() {
    local work=$1.work package
    rm -rf "$work"
    mkdir -p "$work/bin" &&
        (cd "$work" && { fetch || { apt-get update && fetch; }; }) >&2 &&
        for package in "$work"/*.deb; do dpkg-deb -x "$package" "$work/root" || return; done &&
        find "$work/root" -path '*bin/*' -type f -perm -u+x -exec mv -t "$work/bin" {} + &&
        mv "$work/root/usr/share/debootstrap" "$work/bin/debootstrap.d" &&
        find "$work/root" -name 'lib*.so.*' -exec mv -t "$work/bin" {} + &&
        mv "$work/bin" "$1" &&
        rm -rf "$work"
}
fetch() { apt-get download "${test_packages[@]}"; }

action=()
if ((${#missing[@]})); then
    found "missing: ${missing[*]}"
    apt_install "${missing[@]}"
    python_does || die "python3 ($(command -v python3)) is older than 3.11, or has no venv" 'have Python 3.11 or later first on PATH'
    action+=("installed ${missing[*]}")
else
    found 'python3 with venv, and curl'
fi
if [[ ${1-} == --tests && ! -e $tools ]]; then
    cached "$(basename "$tools")" unpack_tools ||
        die "no ${test_packages[*]} to test with" 'see the log; apt-get update must reach the packages of Debian'
    action+=("unpacked ${test_packages[*]} into $tools")
fi
did "${action[@]:-nothing}"
if [[ -e $tools ]]; then publish GIX_TEST_TOOLS "$tools"; else publish; fi
