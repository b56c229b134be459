"""The location of a ledger: its engine, its volume, and the container that uses it."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

import docker
from docker.errors import ImageNotFound, NotFound

from gix_engine import connection
from gix_ledger.errors import ENGINE_ERRORS, LedgerError
from gix_model.settings import EngineSettings


@dataclass(frozen=True, kw_only=True)
class LedgerLocation:
    """A ledger. `label` is the stack's, PROJECT/STACK; `container` the auction's name; `directory` the program's.

    `engine` has the volume. In Swarm, it is that of the ledger's node, `manager` is the engine of a manager, and
    `container` is the name of the auction's service.

    `image` is the auction's image. Helper containers run from it, since it is on the engine anyway. It needs GNU tar,
    coreutils, findutils and flock, which Debian images have.
    """

    engine: EngineSettings
    directory: Path
    label: str
    volume: str
    container: str
    image: str
    manager: EngineSettings | None = None

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
        get = "pulumi up --refresh" if self.manager is None else f"docker pull {self.image} on the node of the ledger"
        try:
            client.volumes.get(self.volume)
            client.images.get(self.image)
        except ImageNotFound:
            raise LedgerError(f"the image {self.image} is not on the engine; get it with: {get}") from None
        except NotFound:
            raise LedgerError(
                f"there is no volume {self.volume}; create an empty one with: pulumi up --refresh, then restore into it"
            ) from None

    def to_json(self) -> str:
        """The location as JSON, for another process."""
        manager = None if self.manager is None else self.manager.model_dump(by_alias=True)
        plain = dataclasses.asdict(self) | {"engine": self.engine.model_dump(by_alias=True), "manager": manager}
        return json.dumps(plain | {"directory": str(self.directory)})

    @classmethod
    def from_json(cls, text: str) -> "LedgerLocation":
        """Read what `to_json` wrote."""
        plain = json.loads(text)
        settings = EngineSettings.model_validate(plain.pop("engine"))
        manager = plain.pop("manager")
        return cls(
            engine=settings,
            directory=Path(plain.pop("directory")),
            manager=None if manager is None else EngineSettings.model_validate(manager),
            **plain,
        )
