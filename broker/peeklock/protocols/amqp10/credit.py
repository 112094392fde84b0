"""Link credit (§2.6.7)."""

from peeklock.protocols.amqp10.serial import SERIAL_MODULUS


def remaining_credit(*, link_credit: int, count_at_receiver: int, count_at_sender: int) -> int:
    """How many more deliveries we may start on a link, after the peer's `flow`.

    All three are counted in deliveries, not frames and not bytes. The two counts are serial
    numbers that wrap at 2**32, so only their difference means anything.

    AMQP 1.0 §2.6.7::

        link-credit_snd := delivery-count_rcv + link-credit_rcv - delivery-count_snd

    A receiver may lower its credit below what is already on its way to it. That is legal, and
    means none: the result is never negative.
    """
    in_flight = (count_at_sender - count_at_receiver) % SERIAL_MODULUS
    return max(0, link_credit - in_flight)
