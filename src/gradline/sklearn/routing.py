"""What of the rows an estimator asks scikit-learn to bring beside X and y: weights, frequencies and offsets, by method and by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

Request = bool | str | None

UNCHANGED = "$UNCHANGED$"
"""scikit-learn's word for a request that stays as it is."""

OF_ROWS = ("sample_weight", "frequencies", "offset")


class RoutesMetadata:
    """The requests of an estimator, as scikit-learn's metadata routing asks for them; see scikit-learn's guide of that name."""

    _ROUTED: ClassVar[Mapping[str, tuple[str, ...]]] = {"fit": OF_ROWS, "predict": ("offset",), "score": OF_ROWS}
    """What each method can ask for."""

    def set_fit_request(self, *, sample_weight: Request = UNCHANGED, frequencies: Request = UNCHANGED, offset: Request = UNCHANGED) -> Self:
        """For scikit-learn's metadata routing: whether, or under which names, ``fit`` asks for what goes with the rows."""
        return self._request("fit", sample_weight=sample_weight, frequencies=frequencies, offset=offset)

    def set_predict_request(self, *, offset: Request = UNCHANGED) -> Self:
        """For scikit-learn's metadata routing: whether, or under which name, ``predict`` asks for an offset."""
        return self._request("predict", offset=offset)

    def set_score_request(
        self, *, sample_weight: Request = UNCHANGED, frequencies: Request = UNCHANGED, offset: Request = UNCHANGED
    ) -> Self:
        """For scikit-learn's metadata routing: whether, or under which names, ``score`` asks for what goes with the rows."""
        return self._request("score", sample_weight=sample_weight, frequencies=frequencies, offset=offset)

    def get_metadata_routing(self) -> Any:
        """scikit-learn's MetadataRequest for this estimator."""
        from sklearn.utils.metadata_routing import MetadataRequest

        routing = MetadataRequest(owner=self)
        requests: dict[str, dict[str, Request]] = getattr(self, "_requests", {})
        for method, parameters in self._ROUTED.items():
            for parameter in parameters:
                getattr(routing, method).add_request(param=parameter, alias=requests.get(method, {}).get(parameter))
        return routing

    def _request(self, method: str, **asked: Request) -> Self:
        requests: dict[str, dict[str, Request]] = getattr(self, "_requests", {})
        changed = {name: request for name, request in asked.items() if request != UNCHANGED}
        self._requests = {**requests, method: {**requests.get(method, {}), **changed}}
        return self

    def _with_requests_of(self, other: Self) -> Self:
        if hasattr(other, "_requests"):
            self._requests = {method: dict(asked) for method, asked in other._requests.items()}
        return self
