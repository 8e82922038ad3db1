"""Client configurations, as they are sent to the REST interface of connections."""

from __future__ import annotations

from pydantic import ValidationError

from atlassian_auth.exceptions import ConfigurationError
from atlassian_auth.web._bodies import ClientBody
from atlassian_auth.web._problems import Problem, invalid

BASE = "https://house.example.com/connections"


def fuzz(data):
    """A configuration is refused with a message for a field, or makes an authorization URL over https."""
    try:
        grant = ClientBody.model_validate_json(data).config(None).grant(BASE)
    except ValidationError as error:
        assert invalid(error).status == 400
    except (ConfigurationError, Problem):
        pass
    else:
        assert grant.endpoints.token_url.lower().startswith(("https://", "http://"))
        assert grant.configuration
