"""The sample's own tests, with the compiler of the builder image."""

import re
from pathlib import Path

import docker

from tests.support.jobs import file_in
from tests.support.stack_under_test import PROGRAM
from tests.support.workspaces import DOCKERFILE, build

TESTS = """
FROM shared AS tests
COPY --from=sources /src .
RUN cargo test --profile "${PROFILE}" --workspace --offline >/passed || { cat /passed; exit 1; }

FROM scratch AS report
COPY --from=tests /passed /passed
CMD ["none"]
"""


def test_the_crates_of_the_sample_pass_their_tests(client: docker.DockerClient, tmp_path: Path) -> None:
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text(DOCKERFILE.read_text() + TESTS)
    container = client.containers.create(build(PROGRAM / "sample", dockerfile, "report"))
    try:
        passed = file_in(container, "/passed").decode()
    finally:
        container.remove()
    sources = [file.read_text() for file in (PROGRAM / "sample/crates").rglob("*.rs")]
    written = sum(len(re.findall(r"#\[(?:tokio::)?test\]", source)) for source in sources)
    assert len(re.findall(r"^test .* \.\.\. ok$", passed, re.MULTILINE)) == written > 0
