"""The location of a ledger: its engine, its volume, and the container that uses it."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

import docker
from docker.errors import ImageNotFound, NotFound
from docker.models.containers import Container

from gix_engine import connection
from gix_ledger.errors import ENGINE_ERRORS, LedgerError
from gix_model.settings import EngineSettings


@dataclass(frozen=True, kw_only=True)
class LedgerLocation:
    """A ledger. `label` is the stack's, PROJECT/STACK; `container` the auction's name; `directory` the program's.

    `image` is the auction's image. Helper containers run from it, since it is on the engine anyway. It needs GNU tar,
    coreutils, findutils and flock, which Debian images have.
    """

    engine: EngineSettings
    directory: Path
    label: str
    volume: str
    container: str
    image: str

    def connect(self) -> docker.DockerClient:
        """A client of the ledger's engine. Raises LedgerError if the engine does not answer."""
        try:
            client = connection.connect(self.engine, self.directory)
            client.ping()
        except (*ENGINE_ERRORS, OSError) as error:
            raise LedgerError(f"the Docker engine does not answer ({error}); start it: make setup") from error
        return client

    def check(self, client: docker.DockerClient) -> None:
        """Raise LedgerError if the volume or the image is not on the engine. To use them would create or pull them."""
        try:
            client.volumes.get(self.volume)
            client.images.get(self.image)
        except ImageNotFound:
            raise LedgerError(
                f"the image {self.image} is not on the engine; get it with: pulumi up --refresh"
            ) from None
        except NotFound:
            raise LedgerError(
                f"there is no volume {self.volume}; create an empty one with: pulumi up --refresh, then restore into it"
            ) from None

    def auction(self, client: docker.DockerClient) -> Container | None:
        """The auction's container, or None if there is none."""
        try:
            return client.containers.get(self.container)
        except NotFound:
            return None

    def to_json(self) -> str:
        """The location as JSON, for another process."""
        plain = dataclasses.asdict(self) | {"engine": self.engine.model_dump(by_alias=True)}
        return json.dumps(plain | {"directory": str(self.directory)})

    @classmethod
    def from_json(cls, text: str) -> "LedgerLocation":
        """Read what `to_json` wrote."""
        plain = json.loads(text)
        settings = EngineSettings.model_validate(plain.pop("engine"))
        return cls(engine=settings, directory=Path(plain.pop("directory")), **plain)
