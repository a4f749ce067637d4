"""How the Power BI stand-in behaves where the published limits may be made smaller, or where nobody knows what the service does.

The default of an unknown is what is most likely, by public reports and the clients that are in production.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass
class PowerBISwitches:
    """What a test or a user may set about Microsoft's token service and Power BI; seconds are those of the world's clock."""

    # Who may do what
    tenant_id: str = "11111111-2222-3333-4444-555555555555"
    powerbi_client_id: str = "66666666-7777-8888-9999-000000000000"
    powerbi_client_secret: str = "sandbox-powerbi-secret"  # noqa: S105 - a stand-in's password, valid nowhere
    powerbi_certificate: str = ""  # PEM of the certificate that the app was given, besides its secret
    powerbi_identity_header: str = "sandbox-identity-header"  # what IDENTITY_HEADER has to be for a managed identity
    powerbi_identities: list[str] = field(default_factory=list)  # client ids of identities assigned to the machine
    workspace_id: str = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
    powerbi_expires_in: int = 3599
    powerbi_role: Literal["Admin", "Member", "Contributor", "Viewer"] = "Contributor"  # of the caller in the workspace
    powerbi_token_errors: Literal["header", "body"] = "header"  # noqa: S105 - where a 403 says TokenExpired
    powerbi_error_shape: Literal["wrapped", "bare", "details_header"] = "wrapped"  # {"error": {…}}, {…}, or in a header
    # Published limits, for tests to make smaller
    powerbi_posts_per_minute: int = 120  # POST rows of one dataset; above: 429
    powerbi_rows_per_hour: int = 1_000_000  # rows of one dataset; above: 429
    powerbi_large_table_rows: int = 250_000  # once a table of the dataset holds as many ...
    powerbi_posts_per_hour_when_large: int = 120  # ... POST rows of the dataset; above: 429
    powerbi_pending_posts: int = 5  # POST rows of one dataset at the same time; above: 429
    powerbi_queries_per_minute: int = 120  # of one caller; above: 429
    powerbi_rows_per_table: int = 5_000_000  # without a retention policy
    powerbi_fifo_rows: int = 200_000  # basicFIFO keeps at least this many ...
    powerbi_fifo_slack: int = 10_000  # ... and at most this many more
    powerbi_windows: Literal["sliding", "fixed"] = "sliding"  # how the minute and the hour are counted
    powerbi_throttle_retry_after: bool = True  # False: a 429 has no Retry-After
    # Creation and definitions
    creation_retired: bool = False  # True: creating a push dataset answers FeatureDeprecatedError
    pushing_retired: bool = False  # True: so do new definitions and rows of the datasets that are there
    powerbi_create_status: Literal[201, 202] = 201
    powerbi_created_after: float = 0  # seconds until a new dataset can be seen
    powerbi_table_names: Literal["pattern", "any"] = "pattern"  # whether the published pattern is enforced
    powerbi_date_table: Literal["accept", "refuse"] = "accept"  # a table called Date
    powerbi_put_rows: Literal["keep", "clear"] = "keep"  # what a new definition does to the rows
    powerbi_put_measures: Literal["replace", "merge"] = "replace"  # what it does to measures that it leaves out
    powerbi_type_change: Literal["refuse", "convert", "blank"] = "refuse"  # of a column that holds values
    powerbi_wrong_case: Literal["ItemNotFound", "RequestedResourceNotFound"] = "ItemNotFound"  # of a table's name
    # Rows
    powerbi_unknown_columns: Literal["refuse", "drop"] = "refuse"  # a row with a column that its table has not
    powerbi_long_strings: Literal["refuse", "cut"] = "refuse"  # more than 4,000 characters
    powerbi_typed_strings: Literal["read", "refuse"] = "read"  # "42" for a number, "true" for a Boolean
    powerbi_offsets: Literal["refuse", "convert", "ignore"] = "refuse"  # a DateTime with an offset other than UTC
    powerbi_fine_decimals: Literal["refuse", "round"] = "refuse"  # a Decimal with more than four decimals
    powerbi_nan: Literal["refuse", "blank"] = "refuse"  # NaN and infinities in the JSON
    powerbi_empty_rows: Literal["accept", "refuse"] = "accept"  # a POST without a row
    powerbi_duplicate_keys: Literal["accept", "refuse"] = "refuse"  # a value twice on the one side of a relationship
    powerbi_full_table: Literal["refuse", "drop_oldest"] = "refuse"  # above powerbi_rows_per_table
    powerbi_too_many_rows_status: int = 400  # more than 10,000 rows in one POST
    powerbi_too_large_status: int = 413  # more than 16 MB in one request
    powerbi_pending_status: int = 429  # more than powerbi_pending_posts
    powerbi_post_seconds: float = 0  # how long a POST of rows is pending
    # Sequence numbers and queries
    powerbi_sequence_numbers: Literal["on", "off"] = "on"  # off: the header means nothing, and reading answers 404
    powerbi_repeated_number: Literal["append", "ignore", "refuse"] = "append"  # rows under a number that isn't higher
    powerbi_numbers_after_delete: Literal["keep", "forget"] = "keep"
    powerbi_queries: Literal["answer", "refuse"] = "answer"  # refuse: the tenant's setting for executeQueries is off
    powerbi_visible_after: float = 0  # seconds until a query sees rows that were accepted
