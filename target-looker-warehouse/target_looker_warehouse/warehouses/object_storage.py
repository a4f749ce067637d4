"""Files on their way into a warehouse, in Amazon S3. The only module that speaks to S3."""

from __future__ import annotations

import io
import json
import logging
import re
import uuid
from typing import TYPE_CHECKING, Any, NamedTuple

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError, ProfileNotFound
from ifs_bi_core.errors import ConfigError, IfsBiError
from ifs_bi_core.redaction import REDACTOR

from target_looker_warehouse.warehouses.parquet_file import write_parquet

if TYPE_CHECKING:
    import pyarrow as pa

_ADDRESS = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(?P<folder>[\w!*(). /-]*))?", re.ASCII)
"""Names of buckets, and the characters that need no care in a key (docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys):
an address stands in SQL text too, as a literal."""
_KEYS = re.compile(r"[\w/+=.-]+", re.ASCII)
_WAITS = Config(connect_timeout=10, read_timeout=60, retries={"mode": "standard", "total_max_attempts": 5})
_WRONG = frozenset(
    {"AccessDenied", "NoSuchBucket", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken"}
    | {"PermanentRedirect", "IllegalLocationConstraintException", "AllAccessDisabled", "403", "404"}
)
"""Error codes that stay until somebody changes a setting or a right (API/ErrorResponses)."""

AWS_ERRORS: tuple[type[Exception], ...] = (BotoCoreError, ClientError)
"""What AWS's own clients raise."""

_LOG = logging.getLogger(__name__)


class Folder(NamedTuple):
    """Where files are put.

    Attributes:
        bucket: its name.
        path: before each key; empty, or with a slash at its end.
    """

    bucket: str
    path: str

    def url(self, key: str) -> str:
        """The address of one file."""
        return f"s3://{self.bucket}/{key}"


class Keys(NamedTuple):
    """What shows to AWS who asks.

    Attributes:
        access_key_id: names the key.
        secret_access_key: the key.
        session_token: with a temporary key.
    """

    access_key_id: str
    secret_access_key: str
    session_token: str | None


def check_folder(staging_url: str | None) -> Folder:
    """What the setting means; nothing is opened.

    Args:
        staging_url: ``s3://bucket`` or ``s3://bucket/folder``.

    Raises:
        ConfigError: it is missing or malformed.
    """
    if not staging_url:
        raise ConfigError(
            "Setting 'staging_url' is missing. Amazon Redshift reads rows from files in S3: name a folder of a bucket in the "
            "cluster's region, for example s3://my-bucket/ifs-staging."
        )
    found = _ADDRESS.fullmatch(staging_url)
    if found is None:
        raise ConfigError(
            "Setting 'staging_url' names no folder in S3. Write s3://bucket/folder, with letters, digits and -_.!*() in the "
            "folder's name, for example s3://my-bucket/ifs-staging."
        )
    path = (found["folder"] or "").strip("/")
    return Folder(found["bucket"], f"{path}/" if path else "")


class Staging:
    """The files of one run, each of them in a folder that no other file shares.

    Who is asking is found as everywhere in AWS: environment, profile, or the role of the machine.

    Args:
        folder: where they are put.
        profile: of the AWS configuration; the default one if there is none.
        region: of the bucket, where the profile or the environment doesn't say.

    Raises:
        ConfigError: there is no such profile.
    """

    def __init__(self, folder: Folder, *, profile: str | None = None, region: str | None = None) -> None:
        self._folder = folder
        self._run = uuid.uuid4().hex
        self._number = 0
        self._written: list[str] = []
        try:
            self._session = boto3.session.Session(profile_name=profile, region_name=region)
            self._client = self._session.client("s3", config=_WAITS)
        except AWS_ERRORS as error:
            raise self._sentence(error) from None

    def keys(self) -> Keys:
        """Who is asking; temporary keys are renewed when they end.

        Raises:
            ConfigError: nobody says.
        """
        try:
            found = self._session.get_credentials()
            if found is None:
                raise NoCredentialsError
            frozen = found.get_frozen_credentials()
            keys = Keys(frozen.access_key, frozen.secret_key, frozen.token)
        except AWS_ERRORS as error:
            raise self._sentence(error) from None
        for secret in keys[1:]:
            REDACTOR.register(secret)
        if not all(part is None or _KEYS.fullmatch(part) for part in keys):
            raise ConfigError("The AWS credentials have characters that no key has. Check them, then run again.")
        return keys

    def put(self, rows: pa.Table) -> str:
        """Write rows as a Parquet file, with a manifest that names it.

        Returns:
            The manifest's address.

        Raises:
            ConfigError: this user may not write there, or there is no such bucket.
            IfsBiError: it could not be written.
        """
        self._number += 1
        start = f"{self._folder.path}{self._run}/{self._number}"
        data, manifest = f"{start}/rows.parquet", f"{start}/manifest.json"
        file = io.BytesIO()
        write_parquet(rows, file)
        # A columnar file needs its length here (docs.aws.amazon.com/redshift/latest/dg/loading-data-files-using-manifest.html).
        entry = {"url": self._folder.url(data), "mandatory": True, "meta": {"content_length": file.tell()}}
        for key, content in ((data, file), (manifest, io.BytesIO(json.dumps({"entries": [entry]}).encode()))):
            content.seek(0)
            self._put(key, content)
        return self._folder.url(manifest)

    def clear(self) -> None:
        """Remove what was written.

        Where that fails the rows have been loaded all the same: it is said, and a rule of the bucket that removes what is a day
        old does the rest.
        """
        while self._written:
            key = self._written[-1]
            try:
                self._client.delete_object(Bucket=self._folder.bucket, Key=key)
            except AWS_ERRORS as error:
                _LOG.warning("%s stays in S3: %s", self._folder.url(key), _reason(error))
            self._written.pop()  # not before: who is interrupted twice removes it when the session ends

    def _put(self, key: str, content: io.BytesIO) -> None:
        self._written.append(key)
        try:
            self._client.put_object(Bucket=self._folder.bucket, Key=key, Body=content)
        except AWS_ERRORS as error:
            raise self._sentence(error) from None

    def _sentence(self, error: Exception) -> IfsBiError:
        where = f"s3://{self._folder.bucket}/{self._folder.path}"
        code = error.response["Error"].get("Code", "") if isinstance(error, ClientError) else ""
        if code in _WRONG or isinstance(error, NoCredentialsError | PartialCredentialsError | ProfileNotFound):
            return ConfigError(
                f"Rows can't be put into {where}: {_reason(error)} Let staging_url name a bucket that is there, and the AWS "
                f"credentials (environment, profile or role) somebody who may put, get and delete its objects, then run again; "
                f"the state was not moved past them."
            )
        return IfsBiError(
            f"Rows could not be put into {where}: {_reason(error)} Nothing of them was loaded, and the state was not moved past "
            f"them; run again when the cause is gone."
        )


def _reason(error: Exception) -> str:
    told: Any = error.response["Error"].get("Message") if isinstance(error, ClientError) else None
    line = " ".join(str(told or error).split())
    return f"{REDACTOR.redact(line).rstrip('.')}."
