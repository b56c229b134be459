"""Examples for docs/configuration.md: a part of a stack file for each group of keys."""

from gix_model.catalog import CATALOG

EXAMPLES = {
    # The example of a service that has none below.
    spec.name: f"config:\n  gix:{spec.name}:\n    hostPort: {spec.port + 10_000}\n"
    for spec in CATALOG.values()
} | {
    "": """\
config:
  gix:source: sample
  gix:prefix: staging
  gix:services: [router, auction, enclave]
""",
    "images": """\
config:
  gix:images:
    way: multi-stage
    tag: v1.4.0
    builderBase: rust:1.75-bookworm
    platform: linux/arm64
    buildArgs:
      CARGO_PROFILE: release
""",
    "registry": """\
config:
  gix:registry:
    address: ghcr.io
    organization: gix-network
    username: ci
    password:
      secure: v1:Zm9v # written by: pulumi config set --secret --path gix:registry.password
""",
    "network": """\
config:
  gix:network:
    name: gix-network
    subnet: 10.20.0.0/24
    labels:
      com.example.team: exchange
""",
    "rollout": """\
config:
  gix:rollout:
    strategy: start-first
""",
    "edge": """\
config:
  gix:edge:
    image: haproxy:2.8.5
    memory: 128MiB
""",
    "ledger": """\
config:
  gix:ledger:
    volume: gcam-data
    protect: true
""",
    "engine": """\
config:
  gix:engine:
    host: ssh://deploy@engine.example
""",
    "defaults": """\
config:
  gix:defaults:
    bindAddress: 127.0.0.1
    rustLog: info,h2=warn
    memory: 512MiB
    cpus: 1.5
    readOnlyRoot: true
    healthCheck:
      interval: 5s
      timeout: 2s
    logging:
      driver: json-file
      options:
        max-size: 20m
        max-file: 5
    ulimits:
      nofile:
        soft: 65536
        hard: 65536
""",
    "router": """\
config:
  gix:router:
    hostPort: 6001
    rustLog: debug # this service only
""",
    "auction": """\
config:
  gix:auction:
    publish: false
    stopGrace: 30s
    secretEnvironment:
      SIGNING_KEY:
        secure: v1:YmFy # written by: pulumi config set --secret --path gix:auction.secretEnvironment.SIGNING_KEY
""",
    "enclave": """\
config:
  gix:enclave:
    user: 1001:1001
    environment:
      WORKERS: 4
    extraHosts:
      attestation.example: 10.20.0.9
""",
}
"""The text of a stack file by key; the empty name stands for the keys with one value."""
