#!/usr/bin/env bash
# Writes .offline/env from what the other parts published. A POSIX shell that sources it finds pulumi, gixctl and so on.
# shellcheck source=lib.sh source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"
GIX_TEST_TOOLS='' GIX_DOCKER='' GIX_TOOLS='' GIX_PLUGIN_HOME='' GIX_ANALYZER='' GIX_POLICY_PACK='' GIX_ACTIONLINT='' GIX_YAML_HOST='' GIX_RUNTIME_BASE='' GIX_BUILDER_BASE='' GIX_GRPC_PROBE_IMAGE='' GIX_EDGE_IMAGE=''
for part in packages engine pulumi plugin bases edge; do
    # shellcheck source=/dev/null
    . "$STATE/parts/$part"
done
for part in actionlint yaml_host; do
    # shellcheck source=/dev/null
    [[ ! -e $STATE/parts/$part ]] || . "$STATE/parts/$part"
done

# front DIR: print commands that put DIR first on PATH, once.
front() {
    cat <<EOF
gix_dir=${1@Q}
PATH=:\$PATH:
case \$PATH in *":\$gix_dir:"*) PATH=\${PATH%%":\$gix_dir:"*}:\${PATH#*":\$gix_dir:"} ;; esac
PATH=\${PATH#:}
PATH=\$gix_dir:\${PATH%:}
EOF
}

text() {
    echo '# Made by offline/setup for this clone: ". .offline/env"'
    [[ -z $GIX_TEST_TOOLS ]] || front "$GIX_TEST_TOOLS"
    [[ -z $GIX_ACTIONLINT ]] || front "$GIX_ACTIONLINT"
    [[ -z $GIX_YAML_HOST ]] || front "$GIX_YAML_HOST"
    [[ -z $GIX_ANALYZER ]] || front "$GIX_ANALYZER"
    front "$GIX_TOOLS"
    front "$CLONE/.venv/bin"
    cat <<EOF
unset gix_dir
export PATH PULUMI_SKIP_UPDATE_CHECK=true
if [ -z "\${PULUMI_CONFIG_PASSPHRASE+set}\${PULUMI_CONFIG_PASSPHRASE_FILE+set}" ]; then
    export PULUMI_CONFIG_PASSPHRASE=''
fi
export GIX_DOCKER=${GIX_DOCKER@Q}
EOF
    # Another clone's environment may have set these.
    cat <<'EOF'
case ${PULUMI_HOME-} in */.offline/pulumi) unset PULUMI_HOME PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION ;; esac
case ${GIX_POLICY_PACK-} in */.offline/policy) unset GIX_POLICY_PACK ;; esac
EOF
    [[ -z $GIX_PLUGIN_HOME ]] || cat <<EOF
export PULUMI_HOME=${GIX_PLUGIN_HOME@Q} PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION=true
EOF
    [[ -z $GIX_POLICY_PACK ]] || echo "export GIX_POLICY_PACK=${GIX_POLICY_PACK@Q}"
    [[ -z $GIX_RUNTIME_BASE ]] || cat <<EOF
case \${GIX_RUNTIME_BASE:-gix-offline/} in gix-offline/*) export GIX_RUNTIME_BASE=${GIX_RUNTIME_BASE@Q} ;; esac
case \${GIX_BUILDER_BASE:-gix-offline/} in gix-offline/*) export GIX_BUILDER_BASE=${GIX_BUILDER_BASE@Q} ;; esac
EOF
    [[ -z $GIX_EDGE_IMAGE ]] || cat <<EOF
case \${GIX_EDGE_IMAGE:-gix-offline/} in gix-offline/*) export GIX_EDGE_IMAGE=${GIX_EDGE_IMAGE@Q} ;; esac
EOF
    [[ -z $GIX_GRPC_PROBE_IMAGE ]] || cat <<EOF
case \${GIX_GRPC_PROBE_IMAGE:-gix-offline/} in gix-offline/*) export GIX_GRPC_PROBE_IMAGE=${GIX_GRPC_PROBE_IMAGE@Q} ;; esac
EOF
}

write "$STATE/env" < <(text)
if [[ $wrote ]]; then
    found '.offline/env is missing or out of date'
    did 'wrote .offline/env; to use it: . .offline/env'
else
    found '.offline/env is up to date'
    did 'nothing'
fi
