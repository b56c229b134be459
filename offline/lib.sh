# shellcheck shell=bash
# Shared by all parts of the set-up: paths, messages, apt, downloads, and the per-user cache.
set -euo pipefail

OFFLINE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
CLONE=$(dirname "$OFFLINE")
STATE=$CLONE/.offline
RUN=${GIX_RUN:-/run}
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/gix
PART=$(basename "$0" .sh)
START=${EPOCHREALTIME/./}

# A shell that has sourced the .offline/env of a clone must find the same tools as one that has not.
forget_env() {
    local dir kept=
    while IFS= read -r -d : dir; do
        [[ $dir == "$CACHE"/* || $dir == */.venv/bin || $dir == */.offline/bin ]] || kept+=${kept:+:}$dir
    done <<<"$PATH:"
    PATH=$kept
    [[ ${PULUMI_HOME-} != */.offline/pulumi ]] || unset PULUMI_HOME
}
forget_env

line() { printf '%-8s  %-6s  %s\n' "$PART" "$@"; }
found() { line found "$*"; }
did() {
    local took=$(((${EPOCHREALTIME/./} - START) / 100000))
    line did "$* ($((took / 10)).$((took % 10)) s)"
}
# die PROBLEM FIX: print the problem and the fix, one line each, and exit with 1.
die() {
    line failed "$1"
    line 'to do' "$2"
    exit 1
}

# write FILE: write standard input to FILE atomically, unless it has that content already. `wrote` is `yes` if it was written.
# shellcheck disable=SC2034  # the parts read `wrote`
write() {
    mkdir -p "$(dirname "$1")"
    cat >"$1.$$"
    if cmp -s "$1.$$" "$1"; then
        rm "$1.$$"
        wrote=
    else
        mv "$1.$$" "$1"
        wrote=yes
    fi
}

# publish [NAME VALUE]...: pass variables to the later parts and to .offline/env.
publish() {
    local lines=
    while (($#)); do
        lines+=$1=${2@Q}$'\n'
        shift 2
    done
    write "$STATE/parts/$PART" <<<"$lines"
}

# fingerprint FILE...: a short hash of the contents, in the order given.
fingerprint() { cat "$@" | sha256sum | cut -c1-12; }

# cached ENTRY MAKE...: make ENTRY of the cache if it is missing. "MAKE... PATH" writes to a temporary path, renamed when complete.
cached() {
    local entry=$CACHE/$1 lock
    shift
    [[ ! -e $entry ]] || return 0
    mkdir -p "$CACHE"
    exec {lock}>"$entry.lock"
    flock "$lock"
    if [[ ! -e $entry ]]; then
        rm -rf --one-file-system "$entry.part"
        "$@" "$entry.part" && mv -T "$entry.part" "$entry"
    fi || { rm -rf --one-file-system "$entry.part"; exec {lock}>&-; return 1; }
    exec {lock}>&-
}

# download URL FILE: fails if the server does not answer within 5 s, or stalls.
download() { curl -fsSL --proto-redir =https --connect-timeout 5 --speed-limit 1000 --speed-time 10 -o "$2" "$1" >&2; }

# is_archive FILE: whether FILE is gzipped. The log-in page of a network is not.
is_archive() { [[ $(head -c 2 "$1" | od -An -tx1) == ' 1f 8b' ]]; }

# has_digest FILE DIGEST: whether FILE has that SHA-256. SHA-1 is for vendors that publish nothing better.
has_digest() {
    local tool
    case ${#2} in
        64) tool=sha256sum ;;
        40) tool=sha1sum ;;
        *) return 1 ;;
    esac
    "$tool" --check --status <<<"$2  $1"
}

need_root() { (($(id -u) == 0)) || die "$1, and that needs root" "run it once as root, or $2"; }

# apt_install PACKAGE...: install Debian packages. The package lists are updated only if the present ones are not enough.
apt_install() {
    local lock
    need_root "the packages $* are missing" "install them yourself: apt-get install $*"
    command -v apt-get >/dev/null || die "the packages $* are missing, and there is no apt-get" "install them with this system's package manager"
    exec {lock}>"$RUN/gix-apt.lock"
    flock "$lock"
    local install=(apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=300 "$@")
    export DEBIAN_FRONTEND=noninteractive
    "${install[@]}" >&2 || { apt-get update >&2; "${install[@]}" >&2; } ||
        die "apt-get could not install $*" "see the log, repair apt, then run this again"
    exec {lock}>&-
}

# go_build COMMAND PACKAGE DIR: build PACKAGE into the new DIR, with the go.mod in the folder of this part.
go_build() {
    mkdir "$3" &&
        CGO_ENABLED=0 GOWORK=off go build -C "$OFFLINE/$PART" -buildvcs=false -trimpath -ldflags '-s -w' -o "$3/$1" "$2" >&2
}

# go_command COMMAND PACKAGE VARIABLE TITLE TIME: use COMMAND from PATH, or else build PACKAGE, which takes about TIME. VARIABLE
# is published with the folder of what was built.
go_command() {
    local command=$1 package=$2 variable=$3 title=$4 time=$5 installed entry
    entry=${PART//_/-}-$(fingerprint "$OFFLINE/$PART"/go.{mod,sum})-$(uname -m)
    if installed=$(command -v "$command"); then
        found "$title, $installed"
        did 'nothing'
        publish
        return
    elif [[ -x $CACHE/$entry/$command ]]; then
        found "$title in $CACHE/$entry"
        did 'nothing'
    else
        found "no $title; builds it from its Go module (about $time)"
        command -v go >/dev/null || die "there is no go command to build $title with" "install Go 1.25 or later, or $command itself, and have it on PATH"
        cached "$entry" go_build "$command" "$package" || die "$title could not be built" 'see the log; this machine must reach its Go module proxy'
        did "built it into $CACHE/$entry"
    fi
    publish "$variable" "$CACHE/$entry"
}
