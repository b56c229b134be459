#!/usr/bin/env bash
# The Pulumi CLI, 3.250 or a later 3.x, with its Python language host.
# shellcheck source=lib.sh source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"

readonly VERSION=3.250.0
releases=${GIX_PULUMI_RELEASES:-https://github.com/pulumi/pulumi/releases/download}
case $(uname -m) in
    x86_64) platform=linux-x64 ;;
    aarch64) platform=linux-arm64 ;;
    *) platform=linux-$(uname -m) ;;
esac
archive=pulumi-v$VERSION-$platform.tar.gz
official=pulumi-$VERSION-$platform
modules=pulumi-$VERSION-go-$(fingerprint "$OFFLINE"/go/*/go.{mod,sum})-$(uname -m)

installed() {
    local version
    PATH=$PATH:$HOME/.pulumi/bin
    pulumi=$(command -v pulumi) && command -v pulumi-language-python >/dev/null || return 1
    version=$(PULUMI_SKIP_UPDATE_CHECK=true pulumi version 2>/dev/null) || return 1
    [[ $version =~ ^v3\.([0-9]+)\. ]] && ((BASH_REMATCH[1] >= 250)) || return 1
    found "Pulumi $version, $pulumi"
}

# download_official FOLDER: unpack the release into FOLDER. This clone has its checksum, from the vendor's Homebrew formula,
# so taking over the download server or the connection is not enough to change it. Fails if the vendor does not answer.
download_official() {
    local digest file=$1/$archive
    digest=$(sed -n "s/  $archive\$//p" "$OFFLINE/pulumi.sha256")
    [[ $releases != none && $digest ]] && mkdir "$1" && download "$releases/v$VERSION/$archive" "$file" && is_archive "$file" || return 1
    if ! has_digest "$file" "$digest"; then
        rm -rf --one-file-system "$1"
        die "$archive does not have the checksum of the vendor's release" 'try again; with GIX_PULUMI_RELEASES=none it is built from Go modules instead'
    fi
    # As root, tar would give the files the owners and the permissions that the archive names.
    tar -xzf "$file" -C "$1" --strip-components=1 --no-same-owner --no-same-permissions >&2 && rm "$file"
}

build_from_modules() {
    local sdk pulumi=github.com/pulumi/pulumi
    mkdir "$1" &&
        export CGO_ENABLED=0 GOWORK=off &&
        go build -C "$OFFLINE/go/pulumi" -buildvcs=false -trimpath -o "$1/pulumi" \
            -ldflags "-s -w -X $pulumi/sdk/v3/go/common/version.Version=v$VERSION" "$pulumi/pkg/v3/cmd/pulumi" >&2 &&
        go build -C "$OFFLINE/go/language-python" -buildvcs=false -trimpath -o "$1/pulumi-language-python" \
            -ldflags '-s -w' "$pulumi/sdk/v3/python/cmd/pulumi-language-python" >&2 &&
        sdk=$(go list -C "$OFFLINE/go/pulumi" -m -f '{{.Dir}}' "$pulumi/sdk/v3") &&
        install -m 755 -t "$1" "$sdk/python/cmd/pulumi-language-python-exec" "$sdk/python/dist/pulumi-resource-pulumi-python"
}

if installed; then
    tools=$(dirname "$pulumi")
    did 'nothing'
elif [[ -x $CACHE/$official/pulumi ]]; then
    tools=$CACHE/$official
    found "the official Pulumi v$VERSION in $tools"
    did 'nothing'
elif [[ -x $CACHE/$modules/pulumi ]]; then
    tools=$CACHE/$modules
    found "Pulumi v$VERSION, built from Go modules, in $tools"
    did 'nothing'
elif cached "$official" download_official; then
    tools=$CACHE/$official
    found "no Pulumi 3.250; the vendor's downloads answer"
    did "unpacked the official v$VERSION into $tools"
else
    tools=$CACHE/$modules
    found "no Pulumi 3.250, no vendor's download; builds v$VERSION from Go modules (about 4 minutes)"
    command -v go >/dev/null || die 'there is no go command to build Pulumi with' 'install Go 1.21 or later, or Pulumi itself, and have it on PATH'
    cached "$modules" build_from_modules || die 'Pulumi could not be built' 'see the log; this machine must reach its Go module proxy'
    did "built v$VERSION into $tools"
fi
publish GIX_TOOLS "$tools"
