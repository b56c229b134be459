"""The error of PEM text that is not what it should be."""


class PemError(ValueError):
    """The text is not what it should be. `limit` says what is wrong, `fix` what to write instead."""

    def __init__(self, limit: str, fix: str) -> None:
        super().__init__(limit)
        self.limit = limit
        self.fix = fix
