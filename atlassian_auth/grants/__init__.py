"""The grants: how tokens are obtained and refreshed, one class for each way in which they are issued.

A grant is frozen and pure: it builds requests and reads answers, and does no I/O.
"""

from __future__ import annotations

from atlassian_auth.grants.base import Grant
from atlassian_auth.grants.client_credentials import ClientCredentialsGrant
from atlassian_auth.grants.cloud import CloudGrant
from atlassian_auth.grants.data_center import DataCenterGrant
from atlassian_auth.grants.generic import GenericGrant

__all__ = ["ClientCredentialsGrant", "CloudGrant", "DataCenterGrant", "GenericGrant", "Grant"]
