"""The inputs of a service, below its own: what each can be, its default, and whether a change replaces the service."""

from typing import Final

from offline.docker_plugin.resources.volume import LABEL
from offline.docker_plugin.rules import duration, number, one_of, ratio
from offline.docker_plugin.schema import Kind, Prop

_READABLE_BY_ALL: Final = 0o444

_FILE: Final = {
    "fileGid": Prop(default="0"),
    "fileMode": Prop(default=_READABLE_BY_ALL),
    "fileName": Prop(required=True),
    "fileUid": Prop(default="0"),
}
_CONFIG: Final = {**_FILE, "configId": Prop(required=True), "configName": Prop()}
_SECRET: Final = {**_FILE, "secretId": Prop(required=True), "secretName": Prop()}

_BIND_OPTIONS: Final = {
    "propagation": Prop(default="rprivate", rule=one_of("private", "rprivate", "shared", "rshared", "slave", "rslave"))
}
_VOLUME_OPTIONS: Final = {
    "driverName": Prop(),
    "driverOptions": Prop(kind=Kind.MAP),
    "labels": Prop(kind=Kind.SET, fields=LABEL),
    "noCopy": Prop(),
}
_MOUNT: Final = {
    "bindOptions": Prop(kind=Kind.OBJECT, fields=_BIND_OPTIONS),
    "readOnly": Prop(),
    "source": Prop(),
    "target": Prop(required=True),
    "tmpfsOptions": Prop(kind=Kind.OBJECT, fields={"mode": Prop(), "sizeBytes": Prop()}),
    "type": Prop(required=True, rule=one_of("bind", "volume", "tmpfs")),
    "volumeOptions": Prop(kind=Kind.OBJECT, fields=_VOLUME_OPTIONS),
}
_HEALTHCHECK: Final = {
    "interval": Prop(default="0s", rule=duration),
    "retries": Prop(rule=number),
    "startPeriod": Prop(default="0s", rule=duration),
    "tests": Prop(kind=Kind.LIST),
    "timeout": Prop(default="0s", rule=duration),
}
_DNS_CONFIG: Final = {
    "nameservers": Prop(kind=Kind.LIST, required=True),
    "options": Prop(kind=Kind.LIST),
    "searches": Prop(kind=Kind.LIST),
}
_HOST: Final = {"host": Prop(force_new=True, required=True), "ip": Prop(force_new=True, required=True)}
_SELINUX_CONTEXT: Final = {
    "disable": Prop(),
    "level": Prop(),
    "role": Prop(),
    "type": Prop(),
    "user": Prop(),
}
_PRIVILEGES: Final = {
    "credentialSpec": Prop(kind=Kind.OBJECT, supported=False),
    "seLinuxContext": Prop(kind=Kind.OBJECT, fields=_SELINUX_CONTEXT),
}
_CONTAINER_SPEC: Final = {
    "args": Prop(kind=Kind.LIST),
    "capAdds": Prop(kind=Kind.LIST),
    "capDrops": Prop(kind=Kind.LIST),
    "commands": Prop(kind=Kind.LIST),
    "configs": Prop(kind=Kind.SET, fields=_CONFIG),
    "dir": Prop(),
    "dnsConfig": Prop(kind=Kind.OBJECT, computed=True, fields=_DNS_CONFIG),
    "env": Prop(kind=Kind.MAP),
    "groups": Prop(kind=Kind.LIST),
    "healthcheck": Prop(kind=Kind.OBJECT, computed=True, fields=_HEALTHCHECK),
    "hostname": Prop(),
    "hosts": Prop(kind=Kind.SET, force_new=True, fields=_HOST),
    "image": Prop(required=True),
    "init": Prop(computed=True),
    "isolation": Prop(default="default", rule=one_of("default", "process", "hyperv")),
    "labels": Prop(kind=Kind.SET, force_new=True, fields=LABEL),
    "mounts": Prop(kind=Kind.SET, fields=_MOUNT),
    "privileges": Prop(kind=Kind.OBJECT, fields=_PRIVILEGES),
    "readOnly": Prop(),
    "secrets": Prop(kind=Kind.SET, fields=_SECRET),
    "stopGracePeriod": Prop(computed=True, rule=duration),
    "stopSignal": Prop(),
    "sysctl": Prop(kind=Kind.MAP, force_new=True),
    "user": Prop(),
}

_GENERIC_RESOURCES: Final = {
    "discreteResourcesSpecs": Prop(kind=Kind.SET),
    "namedResourcesSpecs": Prop(kind=Kind.SET),
}
_LIMITS: Final = {"memoryBytes": Prop(rule=number), "nanoCpus": Prop(rule=number)}
_RESOURCES: Final = {
    "limits": Prop(kind=Kind.OBJECT, fields=_LIMITS),
    "reservation": Prop(
        kind=Kind.OBJECT,
        fields={**_LIMITS, "genericResources": Prop(kind=Kind.OBJECT, fields=_GENERIC_RESOURCES)},
    ),
}
_RESTART_POLICY: Final = {
    "condition": Prop(rule=one_of("none", "on-failure", "any")),
    "delay": Prop(rule=duration),
    "maxAttempts": Prop(rule=number),
    "window": Prop(rule=duration),
}
_PLACEMENT: Final = {
    "constraints": Prop(kind=Kind.SET),
    "maxReplicas": Prop(rule=number),
    "platforms": Prop(kind=Kind.SET, fields={"architecture": Prop(required=True), "os": Prop(required=True)}),
    "prefs": Prop(kind=Kind.SET),
}
_NETWORK: Final = {
    "aliases": Prop(kind=Kind.SET, force_new=True),
    "driverOpts": Prop(kind=Kind.SET, force_new=True),
    "id": Prop(force_new=True),
    "name": Prop(force_new=True),
}
_LOG_DRIVER: Final = {"name": Prop(required=True), "options": Prop(kind=Kind.MAP)}

TASK_SPEC: Final = {
    "containerSpec": Prop(kind=Kind.OBJECT, required=True, fields=_CONTAINER_SPEC),
    "forceUpdate": Prop(computed=True, rule=number),
    "logDriver": Prop(kind=Kind.OBJECT, fields=_LOG_DRIVER),
    "networksAdvanceds": Prop(kind=Kind.SET, force_new=True, fields=_NETWORK),
    "placement": Prop(kind=Kind.OBJECT, computed=True, fields=_PLACEMENT),
    "resources": Prop(kind=Kind.OBJECT, computed=True, fields=_RESOURCES),
    "restartPolicy": Prop(kind=Kind.OBJECT, computed=True, fields=_RESTART_POLICY),
    "runtime": Prop(computed=True, rule=one_of("container", "plugin")),
}
AUTH: Final = {
    "password": Prop(force_new=True, secret=True),
    "serverAddress": Prop(force_new=True, required=True),
    "username": Prop(force_new=True),
}
MODE: Final = {
    "global": Prop(),
    "replicated": Prop(kind=Kind.OBJECT, computed=True, fields={"replicas": Prop(default=1, rule=number)}),
}
_CHANGE_CONFIG: Final = {
    "delay": Prop(default="0s", rule=duration),
    "maxFailureRatio": Prop(default="0.0", rule=ratio),
    "monitor": Prop(default="5s", rule=duration),
    "order": Prop(default="stop-first", rule=one_of("stop-first", "start-first")),
    "parallelism": Prop(default=1, rule=number),
}
UPDATE_CONFIG: Final = {
    **_CHANGE_CONFIG,
    "failureAction": Prop(default="pause", rule=one_of("pause", "continue", "rollback")),
}
ROLLBACK_CONFIG: Final = {
    **_CHANGE_CONFIG,
    "failureAction": Prop(default="pause", rule=one_of("pause", "continue")),
}
_PORT: Final = {
    "name": Prop(),
    "protocol": Prop(default="tcp", rule=one_of("tcp", "udp", "sctp")),
    "publishMode": Prop(default="ingress", rule=one_of("host", "ingress")),
    "publishedPort": Prop(computed=True),
    "targetPort": Prop(required=True),
}
ENDPOINT_SPEC: Final = {
    "mode": Prop(computed=True, rule=one_of("vip", "dnsrr")),
    "ports": Prop(kind=Kind.LIST, fields=_PORT),
}
CONVERGE_CONFIG: Final = {
    "delay": Prop(default="7s", rule=duration),
    "timeout": Prop(default="3m", rule=duration),
}
