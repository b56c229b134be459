#!/usr/bin/env bash
# The base images: the official ones if an image registry answers, else slim Debian and a Rust builder made from packages.
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

if on_engine "$runtime" "$builder"; then
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
publish GIX_RUNTIME_BASE "$runtime" GIX_BUILDER_BASE "$builder"
