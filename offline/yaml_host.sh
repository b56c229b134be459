#!/usr/bin/env bash
# Pulumi's YAML language host, which the tests of the package run a program with: the one on PATH, else built from its
# Go module.
# shellcheck source=lib.sh source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"

module=github.com/pulumi/pulumi-yaml
entry=yaml-host-$(fingerprint "$OFFLINE"/yaml_host/go.{mod,sum})-$(uname -m)

build() {
    mkdir "$1" &&
        CGO_ENABLED=0 GOWORK=off go build -C "$OFFLINE/yaml_host" -buildvcs=false -trimpath -ldflags '-s -w' \
            -o "$1/pulumi-language-yaml" "$module/cmd/pulumi-language-yaml" >&2
}

if installed=$(PATH=$PATH:$HOME/.pulumi/bin command -v pulumi-language-yaml); then
    found "Pulumi's YAML host, $installed"
    did 'nothing'
    publish
    exit
elif [[ -x $CACHE/$entry/pulumi-language-yaml ]]; then
    found "Pulumi's YAML host in $CACHE/$entry"
    did 'nothing'
else
    found "no YAML host of Pulumi's; builds it from its Go module (about 2 minutes)"
    command -v go >/dev/null || die "there is no go command to build Pulumi's YAML host with" 'install Go 1.25 or later, or all of Pulumi, and have it on PATH'
    cached "$entry" build || die "Pulumi's YAML host could not be built" 'see the log; this machine must reach its Go module proxy'
    did "built it into $CACHE/$entry"
fi
publish GIX_YAML_HOST "$CACHE/$entry"
