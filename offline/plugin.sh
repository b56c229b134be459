#!/usr/bin/env bash
# The docker resource plugin: the official one, else the offline one in its own plugin home.
# shellcheck source=lib.sh source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
# shellcheck source=/dev/null  # GIX_TOOLS
. "$STATE/parts/pulumi"

readonly VERSION=5.2.0
readonly PLUGIN=plugins/resource-docker-v$VERSION/pulumi-resource-docker
readonly LANGUAGE=python-module
downloads=${GIX_PULUMI_PLUGINS:-https://get.pulumi.com/releases/plugins}
sums=${GIX_PULUMI_PLUGINS:-https://github.com/pulumi/pulumi-docker/releases/download/v$VERSION}
home=${PULUMI_HOME:-$HOME/.pulumi}
case $(uname -m) in
    x86_64) architecture=amd64 ;;
    aarch64) architecture=arm64 ;;
    *) architecture=$(uname -m) ;;
esac

readonly ARCHIVE=pulumi-resource-docker-v$VERSION-linux-$architecture.tar.gz
readonly SUMS=pulumi-docker_${VERSION}_checksums.txt

# The archive and its checksum come from two servers of the vendor, over TLS, so taking over one of them is not enough to
# change the plugin. The vendor publishes only SHA-1; so far nobody can make another archive with a given SHA-1.
# Fails if one of the servers does not answer or does not send a plugin.
install_official() {
    local work digest file
    work=$(mktemp -d)
    # shellcheck disable=SC2064  # expands now
    trap "rm -rf '$work'" EXIT
    file=$work/$ARCHIVE
    download "$downloads/$ARCHIVE" "$file" && is_archive "$file" && download "$sums/$SUMS" "$work/$SUMS" || return 1
    digest=$(sed -n "s|  \(\./\)\?$ARCHIVE\$||p" "$work/$SUMS")
    has_digest "$file" "$digest" ||
        die "$ARCHIVE does not have the checksum of the vendor's release" 'try again; with GIX_PULUMI_PLUGINS=none the offline plugin is used instead'
    PATH=$GIX_TOOLS:$PATH PULUMI_SKIP_UPDATE_CHECK=true timeout 300 pulumi plugin install resource docker "$VERSION" --file "$file" >&2
}

write_offline() {
    write "$STATE/pulumi/$PLUGIN" <<EOF
#!/bin/sh
PYTHONPATH=${CLONE@Q} exec ${CLONE@Q}/.venv/bin/python -P -m offline.docker_plugin "\$@"
EOF
    chmod +x "$STATE/pulumi/$PLUGIN"
    write_policy_pack "$STATE/pulumi/plugins/analyzer-policy-$LANGUAGE-v$VERSION"
}

# write_policy_pack FOLDER: put an analyzer for the pack in policy/ into FOLDER. A language host that is older than its CLI
# runs the stack's program instead of the pack. So the pack names a language without a host, and the analyzer starts it.
write_policy_pack() {
    [[ -d $CLONE/policy ]] || return 0
    local program=${wrote-} analyzer=$1/pulumi-analyzer-policy-$LANGUAGE
    write "$STATE/policy/PulumiPolicy.yaml" < <(
        sed '/^runtime:/,$d' "$CLONE/policy/PulumiPolicy.yaml"
        echo "runtime: $LANGUAGE"
    )
    ln -sfn "$CLONE/policy/__main__.py" "$STATE/policy/__main__.py"
    write "$analyzer" <<EOF
#!/bin/sh
exec ${CLONE@Q}/.venv/bin/python -u -m pulumi.policy "\$@"
EOF
    chmod +x "$analyzer"
    wrote=$program
}

# The official plugin is in the user's own plugin home, so the analyzer is found on PATH.
publish_official() {
    if [[ $GIX_TOOLS == "$CACHE"/pulumi-*-go-* ]]; then
        write_policy_pack "$STATE/bin"
        publish GIX_ANALYZER "$STATE/bin" GIX_POLICY_PACK "$STATE/policy"
    else
        publish
    fi
}

if [[ -x $home/$PLUGIN ]]; then
    found "the official docker plugin $VERSION in $home"
    did 'nothing'
    publish_official
    exit
elif [[ -e $STATE/pulumi/$PLUGIN ]]; then
    found 'the offline docker plugin in .offline/pulumi'
    write_offline
    if [[ $wrote ]]; then did 'pointed it at this clone'; else did 'nothing'; fi
elif [[ $downloads != none ]] && install_official; then
    found "no docker plugin; the vendor's downloads answer"
    did "installed the official docker plugin $VERSION into $home"
    publish_official
    exit
else
    found "no docker plugin, no vendor's download"
    write_offline
    did 'put the offline docker plugin into .offline/pulumi'
fi
publish GIX_PLUGIN_HOME "$STATE/pulumi" GIX_POLICY_PACK "$STATE/policy"
