#!/usr/bin/env bash
# A Docker engine that answers, and a docker command that supports BuildKit.
# shellcheck source=lib.sh source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"

readonly LOCAL=unix:///var/run/docker.sock
log=${GIX_DOCKERD_LOG:-/var/log/dockerd.log}

# Sets `answer` to the engine's version, or to the reason why it does not answer.
engine_answers() { answer=$(timeout 10 docker version --format '{{.Server.Version}}' 2>&1); }
endpoint() { printf %s "${DOCKER_HOST:-$(docker context inspect --format '{{.Endpoints.docker.Host}}' 2>/dev/null || printf %s "$LOCAL")}"; }
engine_runs() { [[ -r $RUN/docker.pid && $(cat "/proc/$(<"$RUN/docker.pid")/comm" 2>/dev/null) == dockerd ]]; }

await_engine() {
    local deadline=$((SECONDS + 60)) pid=${1-}
    until engine_answers; do
        if ((SECONDS >= deadline)) || { [[ -n $pid ]] && ! kill -0 "$pid" 2>/dev/null; }; then
            tail -n 20 "$log" >&2 || true
            die 'the Docker engine was started but does not answer' "see $log (journalctl -u docker where systemd runs)"
        fi
        sleep 0.1
    done
}

start_engine() {
    local lock
    need_root 'the Docker engine must be started' 'start it yourself'
    exec {lock}>"$RUN/gix-engine.lock"
    flock "$lock"
    if engine_answers; then
        :
    elif engine_runs; then
        await_engine
    elif [[ -d $RUN/systemd/system ]]; then
        systemctl start docker >&2 || die 'systemd could not start the Docker engine' 'see: journalctl -u docker'
        await_engine
    else
        setsid dockerd {lock}>&- >>"$log" 2>&1 </dev/null &
        await_engine $!
    fi
    exec {lock}>&-
}

# Tests command and engine together: a new command has BuildKit only with the buildx plugin, an old one has it built in.
supports_buildkit() {
    printf 'FROM scratch\nLABEL probe=buildkit\n' |
        DOCKER_BUILDKIT=1 timeout 30 "$1" build --quiet --output type=tar,dest=/dev/null - >/dev/null 2>&1
}

choose_docker() {
    local candidate
    while IFS= read -r candidate; do
        if [[ -x $candidate ]] && supports_buildkit "$candidate"; then
            docker=$candidate
            return
        fi
    done < <(printf '%s\n' "${GIX_DOCKER-}"; type -aP docker)
    die 'no docker command supports BuildKit' "install Docker's docker-buildx-plugin, or Debian's docker-buildx or docker.io, or name a command: GIX_DOCKER=/path/to/docker"
}

if engine_answers; then
    found "Docker Engine $answer at $(endpoint)"
    action='nothing'
elif [[ $(endpoint) != "$LOCAL" ]]; then
    die "no Docker engine answers at $(endpoint)" 'start it, or unset DOCKER_HOST (docker context use default) for the engine of this machine'
elif [[ $answer == *'permission denied'* ]]; then
    die "the Docker engine at $LOCAL refuses the user $(id -un)" "as root: adduser $(id -un) docker; then log in again"
elif command -v dockerd >/dev/null; then
    found 'Docker is installed, but its engine does not run'
    start_engine
    action="started Docker Engine $answer"
else
    found 'no Docker engine; installs the packages docker.io and iptables'
    apt_install docker.io iptables
    engine_answers || start_engine
    action="installed and started Docker Engine $answer"
fi
choose_docker
did "$action; $docker supports BuildKit"
publish GIX_DOCKER "$docker"
