#!/usr/bin/env bash
# The images that the program builds from: the official ones if an image registry answers. Otherwise slim Debian and a Rust
# builder are made from packages, and the image of grpc-health-probe from its Go module.
# shellcheck source=lib.sh source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
# shellcheck source=/dev/null  # GIX_DOCKER
. "$STATE/parts/engine"
docker=$GIX_DOCKER

# The program's default base images.
official=(debian:bookworm-slim rust:1.75-bookworm)

shopt -s nullglob
recipe=("$OFFLINE"/bases/debian.sh "$OFFLINE"/bases/rust.Dockerfile /usr/local/share/ca-certificates/*.crt)
key=$(fingerprint "${recipe[@]}")-$(uname -m)
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
runtime=gix-offline/debian:bookworm-slim-$key
builder=gix-offline/rust:bookworm-$key

module=github.com/grpc-ecosystem/grpc-health-probe
probe_key=$(fingerprint "$OFFLINE"/bases/go.{mod,sum})-$(uname -m)
probe=gix-offline/grpc-health-probe:$(sed -n "s,.*$module \(v[0-9.]*\).*,\1,p" "$OFFLINE/bases/go.mod")-$probe_key

on_engine() { "$docker" image inspect "$@" >/dev/null 2>&1; }

# The engine tries to pull, since its own proxies and mirrors decide. If the pull begins, a registry answers.
registry_answers() {
    local said
    said=$(timeout 5 "$docker" pull "${official[0]}" 2>&1) || true
    printf '%s\n' "$said" >&2
    [[ $said == *'Pulling fs layer'* || $said == *'Digest: sha256:'* ]]
}

make_bases() {
    local root=$1.root made=yes
    { command -v debootstrap && command -v gpgv && [[ -e $keyring ]]; } >/dev/null || apt_install debootstrap debian-archive-keyring gpgv
    rm -rf --one-file-system "$root"
    bash "$OFFLINE/bases/debian.sh" "$root" >&2 &&
        tar -C "$root" --numeric-owner -c . | "$docker" import --change 'CMD ["bash"]' \
            --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' - "$runtime" >&2 || made=
    rm -rf --one-file-system "$root"
    [[ $made ]] &&
        DOCKER_BUILDKIT=1 "$docker" build --progress=plain --build-arg "BASE=$runtime" -t "$builder" - <"$OFFLINE/bases/rust.Dockerfile" >&2 &&
        "$docker" save -o "$1" "$runtime" "$builder"
}

# The program is where the official image has it. Any user may run it, whatever the umask.
make_probe() {
    local root=$1.root made=yes
    rm -rf --one-file-system "$root"
    mkdir "$root" && go_build grpc-health-probe "$module" "$root/ko-app" &&
        tar -C "$root" --owner=0 --group=0 --mode=755 -c ko-app |
        "$docker" import --change 'ENTRYPOINT ["/ko-app/grpc-health-probe"]' - "$probe" >&2 || made=
    rm -rf --one-file-system "$root"
    [[ $made ]] && "$docker" save -o "$1" "$probe"
}

# Only `healthCheck.probe: grpc` needs it, so the set-up goes on without it.
provide_probe() {
    if on_engine "$probe"; then
        return
    elif [[ -e $CACHE/grpc-health-probe-$probe_key.tar ]]; then
        found "no $probe on the engine; it is in $CACHE"
        "$docker" load -i "$CACHE/grpc-health-probe-$probe_key.tar" >&2
        did "loaded $probe"
    elif ! command -v go >/dev/null; then
        found 'no image of grpc-health-probe, and no go command to build it with'
        did 'nothing; only gix:defaults.healthCheck.probe: grpc needs it. Install Go 1.21 or later and run this again to have it'
        probe=
    else
        found 'no image of grpc-health-probe; builds it from its Go module (about 30 s)'
        if cached "grpc-health-probe-$probe_key.tar" make_probe; then
            on_engine "$probe" || "$docker" load -i "$CACHE/grpc-health-probe-$probe_key.tar" >&2
            did "made $probe"
        else
            did 'nothing; grpc-health-probe could not be built: see the log. Only gix:defaults.healthCheck.probe: grpc needs it'
            probe=
        fi
    fi
}

if on_engine "$runtime" "$builder" "$probe"; then
    found "$runtime, $builder and $probe on the engine"
    did 'nothing'
elif on_engine "$runtime" "$builder"; then
    found "$runtime and $builder on the engine"
    did 'nothing'
elif on_engine "${official[@]}"; then
    found "${official[*]} on the engine"
    did 'nothing'
    publish
    exit
elif registry_answers; then
    found 'an image registry that answers'
    did 'nothing; the official images are pulled when they are needed'
    publish
    exit
elif [[ -e $CACHE/bases-$key.tar ]]; then
    found "no image registry; both base images in $CACHE"
    "$docker" load -i "$CACHE/bases-$key.tar" >&2
    did "loaded $runtime and $builder"
else
    found 'no image registry; makes both base images from packages (about 4 minutes)'
    need_root 'a Debian must be bootstrapped' 'give the engine access to an image registry'
    cached "bases-$key.tar" make_bases || die 'the base images could not be made' 'see the log; this machine must reach its Debian mirror and crates.io'
    on_engine "$runtime" "$builder" || "$docker" load -i "$CACHE/bases-$key.tar" >&2
    did "made $runtime and $builder"
fi
provide_probe
publish GIX_RUNTIME_BASE "$runtime" GIX_BUILDER_BASE "$builder" GIX_GRPC_PROBE_IMAGE "$probe"
