#!/usr/bin/env bash
# The docker resource plugin: the official one, else the offline one in a plugin home of its own.
# shellcheck source=lib.sh source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
# shellcheck source=/dev/null  # GIX_TOOLS
. "$STATE/parts/pulumi"

readonly VERSION=5.2.0
readonly PLUGIN=plugins/resource-docker-v$VERSION/pulumi-resource-docker
readonly LANGUAGE=python-module
downloads=${GIX_PULUMI_PLUGINS:-https://get.pulumi.com/releases/plugins}
home=${PULUMI_HOME:-$HOME/.pulumi}
case $(uname -m) in
    x86_64) architecture=amd64 ;;
    aarch64) architecture=arm64 ;;
    *) architecture=$(uname -m) ;;
esac

# The CLI's own installer tries for ten seconds before it gives up, so ask first.
downloads_answer() {
    curl -fsSL --connect-timeout 5 --max-time 10 --head -o /dev/null \
        "$downloads/pulumi-resource-docker-v$VERSION-linux-$architecture.tar.gz" >&2
}
install_official() {
    PATH=$GIX_TOOLS:$PATH PULUMI_SKIP_UPDATE_CHECK=true timeout 300 pulumi plugin install resource docker "$VERSION" --server "$downloads" >&2
}

write_offline() {
    write "$STATE/pulumi/$PLUGIN" <<EOF
#!/bin/sh
PYTHONPATH=${CLONE@Q} exec ${CLONE@Q}/.venv/bin/python -P -m offline.docker_plugin "\$@"
EOF
    chmod +x "$STATE/pulumi/$PLUGIN"
    write_policy_pack "$STATE/pulumi/plugins/analyzer-policy-$LANGUAGE-v$VERSION"
}

# The pack of policy/ for a language host that is older than its CLI, and can't start one: an analyzer does it instead,
# for a language that has no host. Tried: the host runs the stack's program in the pack's place.
# write_policy_pack FOLDER: the analyzer goes there.
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

# The plugin home is the user's: an analyzer beside the official plugin is found on PATH.
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
elif downloads_answer && install_official; then
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
