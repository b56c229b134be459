#!/usr/bin/env bash
# actionlint, with which `make check` checks the workflows. Default: the one on PATH. Else it is built from its Go module.
# shellcheck source=lib.sh source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"

go_command actionlint github.com/rhysd/actionlint/cmd/actionlint GIX_ACTIONLINT actionlint '10 s'
