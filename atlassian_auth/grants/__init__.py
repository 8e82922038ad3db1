"""The strategies that obtain and refresh tokens: one per way of Atlassian's to issue them.

Each is a frozen value and pure: it builds requests and reads answers, and does no I/O.
"""

from __future__ import annotations

from atlassian_auth.grants.base import Grant
from atlassian_auth.grants.client_credentials import ClientCredentialsGrant
from atlassian_auth.grants.cloud import CloudGrant
from atlassian_auth.grants.data_center import DataCenterGrant

__all__ = ["ClientCredentialsGrant", "CloudGrant", "DataCenterGrant", "Grant"]
