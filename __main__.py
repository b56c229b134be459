"""GIX on Docker: one stack is one environment, described by its Pulumi.<stack>.yaml."""

import pulumi

from gix_components import configuration, preflight
from gix_components.platform import GixPlatform
from gix_components.problems import ProblemsError

try:
    environment = configuration.load()
    preflight.check(environment)
except ProblemsError as error:
    raise pulumi.RunError(str(error)) from None

platform = GixPlatform("gix", environment)

for name, value in platform.outputs.items():
    pulumi.export(name, value)
