#!/usr/bin/env bash
# actionlint, with which `make check` checks the workflows. Default: the one on PATH. Else it is built from its Go module.
# shellcheck source=lib.sh source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"

module=github.com/rhysd/actionlint
entry=actionlint-$(fingerprint "$OFFLINE"/actionlint/go.{mod,sum})-$(uname -m)

build() {
    mkdir "$1" &&
        CGO_ENABLED=0 GOWORK=off go build -C "$OFFLINE/actionlint" -buildvcs=false -trimpath -ldflags '-s -w' \
            -o "$1/actionlint" "$module/cmd/actionlint" >&2
}

if installed=$(command -v actionlint); then
    found "actionlint, $installed"
    did 'nothing'
    publish
    exit
elif [[ -x $CACHE/$entry/actionlint ]]; then
    found "actionlint in $CACHE/$entry"
    did 'nothing'
else
    found 'no actionlint; builds it from its Go module (about 10 s)'
    command -v go >/dev/null || die 'there is no go command to build actionlint with' 'install Go 1.25 or later, or actionlint itself, and have it on PATH'
    cached "$entry" build || die 'actionlint could not be built' 'see the log; this machine must reach its Go module proxy'
    did "built it into $CACHE/$entry"
fi
publish GIX_ACTIONLINT "$CACHE/$entry"
