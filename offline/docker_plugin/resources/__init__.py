"""The resource types that the plugin serves, by Pulumi's type tokens."""

from collections.abc import Mapping
from typing import Final

from offline.docker_plugin.resources.base import Resource
from offline.docker_plugin.resources.container import Container
from offline.docker_plugin.resources.image import Image
from offline.docker_plugin.resources.network import Network
from offline.docker_plugin.resources.remote_image import RemoteImage
from offline.docker_plugin.resources.secret import Secret
from offline.docker_plugin.resources.service import Service
from offline.docker_plugin.resources.service_config import ServiceConfig
from offline.docker_plugin.resources.volume import Volume

RESOURCES: Final[Mapping[str, Resource]] = {
    "docker:index/container:Container": Container(),
    "docker:index/image:Image": Image(),
    "docker:index/network:Network": Network(),
    "docker:index/remoteImage:RemoteImage": RemoteImage(),
    "docker:index/secret:Secret": Secret(),
    "docker:index/service:Service": Service(),
    "docker:index/serviceConfig:ServiceConfig": ServiceConfig(),
    "docker:index/volume:Volume": Volume(),
}
