#!/usr/bin/env bash
# Makes in folder $1 the root file system of a slim Debian bookworm: what the official bookworm-slim image holds.
set -euo pipefail
root=$1
suite=bookworm
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# Where this machine's own apt gets the archive with that label; nothing if it has none.
# shellcheck disable=SC2016  # apt-get fills in $(...)
mirror() { apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages' "Label: $1" | sed -n '1s/^[^ ]* //p'; }

debian=$(mirror Debian)
security=$(mirror Debian-Security)

# Without --force-check-gpg debootstrap only warns where the keyring is missing, and installs what it can't verify.
# The mounts that debootstrap makes end with it, however it ends.
unshare --mount debootstrap --force-check-gpg --keyring="$keyring" --variant=minbase "$suite" "$root" ${debian:+"$debian"}

if [[ -n $debian ]]; then
    rm "$root/etc/apt/sources.list"
    {
        source_of() { printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n\n' "$@" "$keyring"; }
        source_of "$debian" "$suite $suite-updates"
        [[ -z $security ]] || source_of "$security" "$suite-security"
    } >"$root/etc/apt/sources.list.d/debian.sources"
fi

cat >"$root/etc/dpkg/dpkg.cfg.d/docker" <<'DPKG'
force-unsafe-io
path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/info/*
path-exclude /usr/share/man/*
path-exclude /usr/share/locale/*
path-include /usr/share/locale/locale.alias
path-exclude /usr/share/lintian/*
path-exclude /usr/share/linda/*
path-exclude /usr/share/groff/*
DPKG
cat >"$root/etc/apt/apt.conf.d/docker-clean" <<'APT'
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb"; };
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
APT
cat >"$root/etc/apt/apt.conf.d/docker-slim" <<'APT'
Acquire::Languages "none";
Acquire::GzipIndexes "true";
APT::AutoRemove::SuggestsImportant "false";
APT
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod +x "$root/usr/sbin/policy-rc.d"

# By default apt-get goes on after a list that it could not verify or download.
chroot "$root" sh -euc 'apt-get update --error-on=any; DEBIAN_FRONTEND=noninteractive apt-get -y dist-upgrade'

install -d "$root/usr/local/share/ca-certificates"
find /usr/local/share/ca-certificates -name '*.crt' -exec install -m 644 -t "$root/usr/local/share/ca-certificates" {} +

find "$root/usr/share/doc" ! -type d ! -name copyright -delete
find "$root/usr/share/locale" -mindepth 1 -maxdepth 1 ! -name locale.alias -exec rm -rf {} +
rm -rf "$root"/usr/share/{info,man,lintian,linda,groff}/* "$root"/var/{cache/apt,cache/debconf/*-old,cache/ldconfig,lib/apt/lists,log}/* \
    "$root"/var/lib/dpkg/*-old "$root"/etc/{hostname,resolv.conf}
find "$root"/{dev,proc,sys,run,tmp} -mindepth 1 -delete
find "$root/usr/share/doc" -type d -empty -delete
