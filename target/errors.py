"""Every error that the shop raises on purpose. `api/app.py` turns them into HTTP answers, `__main__.py` into exit codes."""


class ShopError(Exception):
    """Base of all errors that the shop expects. Its message can be shown to a user."""


class ConfigError(ShopError):
    """A ``SHOP_*`` variable is missing or wrong. The message names it, what was expected, and what was found."""


class NotATestSale(ShopError):
    """The database is not marked as one that may be wiped (see `__main__.refuse_unless_marked`)."""


class NoRoom(ShopError):
    """RabbitMQ refuses the user or the vhost of SHOP_BROKER_URL, and they could not be created."""


class SoldOut(ShopError):
    """No unit is left."""


class AlreadyBought(ShopError):
    """The buyer already has as many units as one buyer may have. `number` is the order number of the last one, which is the buyer's `nth`, from 1."""

    def __init__(self, number: str, nth: int = 1) -> None:
        super().__init__(f"already bought: {number}")
        self.number = number
        self.nth = nth


class Unavailable(ShopError):
    """It is unknown whether the order stands: a service failed after it had been asked. The claim is kept."""


class NotSent(Unavailable):
    """Nothing was sent to the service: the order certainly does not stand, and its unit may be given back."""


class Rejected(ShopError):
    """A constraint of the database refused the order's row; trying again would not help."""
