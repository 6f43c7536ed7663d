"""Every error that the shop raises on purpose. The edge (`app.py`, `__main__.py`) turns them into answers and exit codes."""


class ShopError(Exception):
    """Something the shop expects to go wrong. Its message is fit for a person to read."""


class ConfigError(ShopError):
    """A ``SHOP_*`` variable is missing or wrong: names it, what was expected, and what was found."""


class NotATestSale(ShopError):
    """The database is not marked as one that may be wiped."""


class NoRoom(ShopError):
    """RabbitMQ knows neither the user nor the vhost, and they could not be made."""


class SoldOut(ShopError):
    """No unit is left."""


class AlreadyBought(ShopError):
    """The buyer has all the units that one buyer may have; `number` is the last of them, the buyer's `nth`."""

    def __init__(self, number: str, nth: int = 1) -> None:
        super().__init__(f"already bought: {number}")
        self.number = number
        self.nth = nth


class Unavailable(ShopError):
    """The shop cannot say whether the order stands: a service failed after it had been asked. Nothing was taken back."""


class NotSent(Unavailable):
    """Nothing left this process: the order provably does not stand."""


class Rejected(ShopError):
    """The database refused the order's row for good: its guards said no."""
