# shellcheck shell=bash
# What every part of the set-up shares: where things are, how a part speaks, apt, and the per-user cache.
set -euo pipefail

OFFLINE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
CLONE=$(dirname "$OFFLINE")
STATE=$CLONE/.offline
RUN=${GIX_RUN:-/run}
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/gix
PART=$(basename "$0" .sh)
START=${EPOCHREALTIME/./}

# A shell that has sourced .offline/env, of this clone or another, must find the same things as one that has not.
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
# die WHAT WAY_OUT: one line of what is wrong, one of what to do.
die() {
    line failed "$1"
    line 'to do' "$2"
    exit 1
}

# shellcheck disable=SC2034  # the parts read wrote
# write FILE: standard input becomes FILE, whole or not at all, untouched if it says the same already; wrote tells which.
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

# publish [NAME VALUE]...: what this part has to say to the later ones and to .offline/env.
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

# cached ENTRY MAKE...: the cache holds ENTRY, made if need be by "MAKE... PATH" under another name and renamed when whole.
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

# download URL FILE: a server that does not answer within 5 s, or that stalls, is taken for none.
download() { curl -fsSL --proto-redir =https --connect-timeout 5 --speed-limit 1000 --speed-time 10 -o "$2" "$1" >&2; }

# is_archive FILE: whether it is gzipped; the page of a network that asks for a log-in is not.
is_archive() { [[ $(head -c 2 "$1" | od -An -tx1) == ' 1f 8b' ]]; }

# has_digest FILE DIGEST: whether the file has that SHA-256, or SHA-1 where the vendor publishes nothing better.
has_digest() {
    local tool
    case ${#2} in
        64) tool=sha256sum ;;
        40) tool=sha1sum ;;
        *) return 1 ;;
    esac
    "$tool" --check --status <<<"$2  $1"
}

need_root() { (($(id -u) == 0)) || die "$1, and that takes root" "run it once as root, or $2"; }

# apt_install PACKAGE...: Debian's packages, with newer lists only where those at hand do not do.
apt_install() {
    local lock
    need_root "the packages $* are missing" "install them yourself: apt-get install $*"
    command -v apt-get >/dev/null || die "the packages $* are missing, and there is no apt-get" "install them the way of this system"
    exec {lock}>"$RUN/gix-apt.lock"
    flock "$lock"
    local install=(apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=300 "$@")
    export DEBIAN_FRONTEND=noninteractive
    "${install[@]}" >&2 || { apt-get update >&2; "${install[@]}" >&2; } ||
        die "apt-get could not install $*" "see the log, mend apt, then run this again"
    exec {lock}>&-
}
