#!/usr/bin/env bash
# Runs a command with the credentials of a stack's engine: .github/engine.sh [--stand-in] STACK COMMAND...
#
# Pulumi.STACK.yaml names the engine in gix:engine.host. The credentials are in environment variables:
#   ssh://USER@HOST   ENGINE_SSH_KEY: private key without a passphrase; ENGINE_KNOWN_HOSTS: output of ssh-keyscan HOST
#   tcp://HOST:2376   ENGINE_CA, ENGINE_CERT, ENGINE_KEY: PEM; gix:engine.certPath is ~/.docker
# They are written to files that only their owner can read, and removed when the command ends. The command gets the
# files, not the variables. Exit code: 1 if something is missing, before the command runs, else the command's code.
#
# --stand-in: use this machine's own engine instead of one at ssh://, without a key. A preview compares the program with
# the state. It needs an engine that answers, but reads nothing from it.
set -euo pipefail

usage() {
    echo 'usage: .github/engine.sh [--stand-in] STACK COMMAND...' >&2
    exit 2
}

stand_in=
if [[ ${1-} == --stand-in ]]; then
    stand_in=yes
    shift
fi
(($# >= 2)) || usage
stack=$1
shift
file=Pulumi.$stack.yaml

problems=()
# need NAME WHAT: the variable NAME must have a value.
need() { [[ ${!1-} ]] || problems+=("$1 is not set: $2"); }
refuse_problems() {
    ((${#problems[@]})) || return 0
    printf 'engine.sh: %s\n' "${problems[@]}" >&2
    exit 1
}

host=$(sed -nE "s#.*\bhost: *[\"']?((ssh|tcp|unix)://[^]\"', }]+).*#\1#p" "$file" 2>/dev/null | head -n 1) || true
need PULUMI_BACKEND_URL 'the secret with the address of the state backend; without it the state is lost with this runner'
case $stand_in$host in
    '' | yes) problems+=("$file names no engine: pulumi config set --stack $stack --path gix:engine.host ssh://USER@HOST") ;;
    ssh://*)
        command -v ssh-keygen >/dev/null || problems+=('there is no ssh command: apt-get install openssh-client')
        need ENGINE_SSH_KEY "the secret with the private key for $host"
        need ENGINE_KNOWN_HOSTS "the variable with the host keys of $host, as ssh-keyscan prints them"
        ;;
    tcp://*)
        need ENGINE_CA "the secret with the authority that signed the certificate of $host"
        need ENGINE_CERT "the secret with this client's certificate for $host"
        need ENGINE_KEY "the secret with this client's key for $host"
        # shellcheck disable=SC2088  # as it stands in the file
        grep -q 'certPath: *["'\'']\?~/\.docker' "$file" ||
            problems+=("$file does not read the certificates: pulumi config set --stack $stack --path gix:engine.certPath '~/.docker'")
        for name in ca cert key; do
            [[ ! -e $HOME/.docker/$name.pem ]] || problems+=("$HOME/.docker/$name.pem exists, and is not overwritten: move it away")
        done
        ;;
    yestcp://*) problems+=("$file names $host; only an engine at ssh:// can have a stand-in") ;;
esac
refuse_problems

umask 077
work=$(mktemp -d)
written=("$work")
# shellcheck disable=SC2317  # called by the trap
clean_up() { rm -rf -- "${written[@]}"; }
trap clean_up EXIT
# Signals are for the command. The script waits until the command has ended and then removes the files.
trap : HUP INT TERM

# put FILE TEXT: write TEXT without the carriage returns that a web form may add, and with the final newline that ssh needs.
put() {
    written+=("$1")
    printf '%s\n' "${2//$'\r'/}" >"$1"
}

# use_ssh COMMAND: run COMMAND instead of ssh. The clients of the engine find it on PATH.
use_ssh() {
    mkdir "$work/bin"
    printf '#!/bin/sh\nexec %s\n' "$1" >"$work/bin/ssh"
    chmod 700 "$work/bin/ssh"
    PATH=$work/bin:$PATH
}

case $stand_in$host in
    ssh://*)
        put "$work/key" "$ENGINE_SSH_KEY"
        put "$work/known_hosts" "$ENGINE_KNOWN_HOSTS"
        put "$work/config" "IdentityFile $work/key
IdentitiesOnly yes
UserKnownHostsFile $work/known_hosts
GlobalKnownHostsFile /dev/null
StrictHostKeyChecking yes
BatchMode yes
ConnectTimeout 20
ServerAliveInterval 15"
        address=${host#ssh://}
        address=${address%%/*}
        address=${address##*@}
        known=$address
        [[ $address != *:* ]] || known="[${address%:*}]:${address##*:}"
        ssh-keygen -y -P '' -f "$work/key" >/dev/null 2>&1 || problems+=('ENGINE_SSH_KEY is no private key that opens without a passphrase')
        ssh-keygen -F "$known" -f "$work/known_hosts" >/dev/null 2>&1 || problems+=("ENGINE_KNOWN_HOSTS has no key of $known: ssh-keyscan HOST, then compare it with the machine's own")
        refuse_problems
        use_ssh "$(command -v ssh) -F '$work/config' \"\$@\""
        ;;
    tcp://*)
        mkdir -p "$HOME/.docker"
        put "$HOME/.docker/ca.pem" "$ENGINE_CA"
        put "$HOME/.docker/cert.pem" "$ENGINE_CERT"
        put "$HOME/.docker/key.pem" "$ENGINE_KEY"
        ;;
    yesssh://*) use_ssh "env -u DOCKER_HOST $(command -v docker) system dial-stdio" ;;
esac

env -u ENGINE_SSH_KEY -u ENGINE_KNOWN_HOSTS -u ENGINE_CA -u ENGINE_CERT -u ENGINE_KEY "$@"
