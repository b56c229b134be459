#!/usr/bin/env bash
# Makes the root file system of a slim Debian bookworm in folder $1, with the content of the official bookworm-slim image.
set -euo pipefail
root=$1
suite=bookworm
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# mirror LABEL: print the mirror from which this machine's apt gets the archive LABEL, or nothing.
# shellcheck disable=SC2016  # apt-get fills in $(...)
mirror() { apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages' "Label: $1" | sed -n '1s/^[^ ]* //p'; }

debian=$(mirror Debian)
security=$(mirror Debian-Security)

# Without --force-check-gpg, debootstrap only warns if the keyring is missing, and installs unverified packages.
# In a mount namespace of its own, its mounts end with it.
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

# By default apt-get continues if it cannot verify or download a list.
chroot "$root" sh -euc 'apt-get update --error-on=any; DEBIAN_FRONTEND=noninteractive apt-get -y dist-upgrade'

install -d "$root/usr/local/share/ca-certificates"
find /usr/local/share/ca-certificates -name '*.crt' -exec install -m 644 -t "$root/usr/local/share/ca-certificates" {} +

find "$root/usr/share/doc" ! -type d ! -name copyright -delete
find "$root/usr/share/locale" -mindepth 1 -maxdepth 1 ! -name locale.alias -exec rm -rf {} +
rm -rf "$root"/usr/share/{info,man,lintian,linda,groff}/* "$root"/var/{cache/apt,cache/debconf/*-old,cache/ldconfig,lib/apt/lists,log}/* \
    "$root"/var/lib/dpkg/*-old "$root"/etc/{hostname,resolv.conf}
find "$root"/{dev,proc,sys,run,tmp} -mindepth 1 -delete
find "$root/usr/share/doc" -type d -empty -delete
