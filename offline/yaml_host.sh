#!/usr/bin/env bash
# Pulumi's YAML language host, with which the tests of the package run a program. Default: the one on PATH. Else it is built
# from its Go module.
# shellcheck source=lib.sh source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"

# Pulumi's own installer puts it here.
PATH=$PATH:$HOME/.pulumi/bin
go_command pulumi-language-yaml github.com/pulumi/pulumi-yaml/cmd/pulumi-language-yaml GIX_YAML_HOST "Pulumi's YAML host" '2 minutes'
