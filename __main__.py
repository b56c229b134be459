"""GIX on Docker: one stack is one environment, described by its Pulumi.<stack>.yaml."""

import pulumi

from gix_components import configuration, preflight
from gix_components.platform import GixPlatform

environment = configuration.load()
preflight.check(environment)

platform = GixPlatform("gix", environment)

for name, value in platform.outputs.items():
    pulumi.export(name, value)
