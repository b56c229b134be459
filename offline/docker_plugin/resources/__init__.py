"""The resource types that the plugin serves, by Pulumi's type tokens."""

from collections.abc import Mapping
from typing import Final

from offline.docker_plugin.resources.base import Resource
from offline.docker_plugin.resources.container import Container
from offline.docker_plugin.resources.image import Image
from offline.docker_plugin.resources.network import Network
from offline.docker_plugin.resources.remote_image import RemoteImage
from offline.docker_plugin.resources.volume import Volume

RESOURCES: Final[Mapping[str, Resource]] = {
    "docker:index/container:Container": Container(),
    "docker:index/image:Image": Image(),
    "docker:index/network:Network": Network(),
    "docker:index/remoteImage:RemoteImage": RemoteImage(),
    "docker:index/volume:Volume": Volume(),
}
