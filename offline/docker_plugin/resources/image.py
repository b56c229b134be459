"""`docker.Image`: an image built here and, unless told otherwise, pushed."""

import os
import platform
from collections.abc import Collection
from pathlib import Path
from typing import ClassVar, Final

from pulumi.provider.experimental.provider import PropertyDiffKind

from offline.docker_plugin.build import Build, Builds
from offline.docker_plugin.build_context import DOCKERFILE, context_digest, context_problem, dockerfile_problem
from offline.docker_plugin.diff import Changes
from offline.docker_plugin.engine import registry_host
from offline.docker_plugin.errors import PluginError
from offline.docker_plugin.registry import canonical_name_problem, push, registry_of, repository_of
from offline.docker_plugin.resources.base import Check, Context, Resource, State
from offline.docker_plugin.rules import one_of
from offline.docker_plugin.schema import Kind, Problem, Prop, ResourceSchema, problems
from offline.docker_plugin.values import UNKNOWN, Props, Value, has_unknown

_ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64"}

_INPUTS: Final = "__inputs"
"""The output that keeps the inputs of the last build."""

_BUILD: Final = {
    "addHosts": Prop(kind=Kind.LIST),
    "args": Prop(kind=Kind.MAP),
    "builderVersion": Prop(rule=one_of("BuilderV1", "BuilderBuildKit")),
    "cacheFrom": Prop(kind=Kind.OBJECT, fields={"images": Prop(kind=Kind.LIST, required=True)}),
    "context": Prop(),
    "contextDigest": Prop(),
    "dockerfile": Prop(),
    "network": Prop(),
    "platform": Prop(),
    "target": Prop(),
}


class Image(Resource):
    """An image. A change of any input, or of the context's digest, builds it again. It is never removed."""

    schema: ClassVar = ResourceSchema(
        inputs={
            "build": Prop(kind=Kind.OBJECT, fields=_BUILD),
            "buildOnPreview": Prop(),
            "imageName": Prop(required=True),
            "registry": Prop(kind=Kind.OBJECT, fields={"password": Prop(), "server": Prop(), "username": Prop()}),
            "skipPush": Prop(),
        },
        outputs=("baseImageName", "context", "dockerfile", "platform", "registryServer", "repoDigest"),
        named=False,
    )

    records_id: ClassVar = False
    names_changes: ClassVar = False

    def __init__(self) -> None:
        self.builds = Builds()

    def check(self, context: Context, request: Check) -> tuple[Props, list[Problem]]:
        """Compute the digest of the build context, and check that the context and the Dockerfile exist."""
        inputs: Props = {"buildOnPreview": False, **_stated(request.stated)}
        build = _stated(inputs.get("build") or {})
        build["context"], build["dockerfile"] = _paths(build)
        found = problems(self.schema, request.stated)
        if not build.get("platform"):
            build["platform"] = f"linux/{_ARCHITECTURES.get(platform.machine(), platform.machine())}"
            context.log.note(
                f"Building your image for {build['platform']} architecture.\nTo ensure you are building for the "
                "correct platform, consider explicitly setting the `platform` field on ImageBuildOptions."
            )
        directory, dockerfile = build["context"], build["dockerfile"]
        if not has_unknown([directory, dockerfile]):
            problem = context_problem(directory)
            if problem:
                found.append(Problem("build.context", problem))
            elif problem := dockerfile_problem(directory, dockerfile):
                found.append(Problem("build.dockerfile", problem))
            else:
                build["contextDigest"] = context_digest(directory, dockerfile)
        found.extend(_name_problems(inputs, build))
        return {**inputs, "build": build}, found

    def diff(self, *, old_outputs: Props, inputs: Props, ignored: Collection[str]) -> Changes:
        """Compare only the inputs. Whether the engine still has the image is not checked."""
        before, after = _compared(old_outputs.get(_INPUTS) or {}), _compared(inputs)
        changes: Changes = {}
        for name in sorted({*before, *after} - set(ignored)):
            if name not in before:
                changes[name] = PropertyDiffKind.ADD
            elif name not in after:
                changes[name] = PropertyDiffKind.DELETE
            elif before[name] != after[name]:
                changes[name] = PropertyDiffKind.UPDATE
        return changes

    def planned(self, inputs: Props, old_outputs: Props | None) -> Props:
        """Return all outputs except the digest, which only a build can tell."""
        del old_outputs
        build = inputs.get("build") or {}
        directory, dockerfile = _paths(build)
        known = not has_unknown([directory, dockerfile])
        return {
            "baseImageName": inputs["imageName"],
            "context": directory,
            "dockerfile": os.path.relpath(dockerfile, directory) if known else UNKNOWN,
            "imageName": inputs["imageName"],
            "platform": build.get("platform"),
            "registryServer": (inputs.get("registry") or {}).get("server") or "",
            "repoDigest": UNKNOWN,
        }

    def previewed(self, context: Context, inputs: Props, old_outputs: Props | None) -> Props:
        """Build in a preview if `buildOnPreview` is set, so that the digest is known. Never push."""
        outputs = self.planned(inputs, old_outputs)
        if not inputs.get("buildOnPreview") or has_unknown(inputs):
            return outputs
        image_id = self._build(context, inputs)
        return outputs | ({"repoDigest": image_id} if inputs.get("skipPush") else {})

    def create(self, context: Context, inputs: Props) -> State:
        """Build the image and push it."""
        image_id = self._build(context, inputs)
        digest = image_id if inputs.get("skipPush") else _push(context, inputs)
        return State(str(inputs["imageName"]), self.planned(inputs, None) | {"repoDigest": digest, _INPUTS: inputs})

    def read(self, context: Context, resource_id: str, *, inputs: Props, outputs: Props) -> State | None:
        """Return the recorded outputs. The engine is not asked."""
        del context
        return State(resource_id, outputs, inputs)

    def update(self, context: Context, resource_id: str, *, inputs: Props, outputs: Props) -> Props:
        """Build and push again."""
        del resource_id, outputs
        return self.create(context, inputs).outputs

    def delete(self, context: Context, resource_id: str, outputs: Props) -> None:
        """Keep the image and its tags, as the official plugin does."""

    def _build(self, context: Context, inputs: Props) -> str:
        build = inputs["build"]
        directory, dockerfile = _paths(build)
        args = {str(key): str(value) for key, value in (build.get("args") or {}).items()}
        cached = (build.get("cacheFrom") or {}).get("images") or []
        context.log.status("Building the image")
        return self.builds.run(
            Build(
                name=inputs["imageName"],
                context=directory,
                dockerfile=dockerfile,
                buildkit=build.get("builderVersion") != "BuilderV1",
                target=build.get("target") or "",
                platform=build.get("platform") or "",
                args=args,
                secret_args=frozenset(key for key, value in args.items() if value in context.secrets),
                cache_from=tuple(cached),
                add_hosts=tuple(build.get("addHosts") or ()),
                network=build.get("network") or "",
            ),
            context.engine.connection,
            _credentials(context, inputs) if cached or not inputs.get("skipPush") else None,
            context.log.status,
        )


def _stated(values: Props) -> Props:
    return {name: value for name, value in values.items() if value is not None}


def _paths(build: Props) -> tuple[str, str]:
    """Return the context and the Dockerfile. Default: `Dockerfile` in the context."""
    directory = str(build.get("context") or ".")
    return directory, str(
        build.get("dockerfile") or (UNKNOWN if directory == UNKNOWN else Path(directory) / DOCKERFILE)
    )


def _compared(inputs: Props) -> dict[str, Value]:
    """Return the inputs that cause a build. A login often changes, so it is left out."""
    registry = {"registry": (inputs.get("registry") or {}).get("server")} if inputs.get("registry") else {}
    return {**inputs, **registry}


def _name_problems(inputs: Props, build: Props) -> list[Problem]:
    cached = (build.get("cacheFrom") or {}).get("images") or []
    names = [(f"build.cacheFrom.images[{index}]", name) for index, name in enumerate(cached)]
    if cached or not inputs.get("skipPush"):
        names.append(("imageName", inputs.get("imageName")))
    known = [(path, name) for path, name in names if isinstance(name, str) and name != UNKNOWN]
    return [Problem(path, problem) for path, name in known if (problem := canonical_name_problem(name))]


def _credentials(context: Context, inputs: Props) -> dict[str, str] | None:
    """Return the stated login. None means the user's own `docker login`."""
    registry = inputs.get("registry") or {}
    username, password = registry.get("username"), registry.get("password")
    if username and password:
        address = registry_host(registry.get("server") or "") or registry_of(inputs["imageName"])
        return {"username": username, "password": password, "serveraddress": address}
    if username or password:
        missing, given = ("password", "username") if username else ("username", "password")
        context.log.caution(f"{missing} was not set, although {given} was; using host credentials file")
    return None


def _push(context: Context, inputs: Props) -> str:
    name = str(inputs["imageName"])
    context.log.status("Pushing Image to the registry")
    digest = push(context.engine, name, _credentials(context, inputs), context.log.status)
    if not digest:
        raise PluginError(f"the registry gave no digest for {name}")
    return f"{repository_of(name)}@{digest}"
