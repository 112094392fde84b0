"""Who a client certificate is of."""

from collections.abc import Iterable, Mapping


def common_name(certificate: Mapping[str, object] | None) -> str:
    """The subject's common name of a verified certificate, as `ssl` gives it; "" for none.

    A subject with several common names is nobody: which of them counts would be a guess.
    """
    subject = certificate.get("subject") if certificate else None
    if not isinstance(subject, Iterable):
        return ""
    names = [value for group in subject for key, value in group if key == "commonName"]
    return names[0] if len(names) == 1 and isinstance(names[0], str) else ""
