"""Jobs of BigQuery against a server that loses answers, is overloaded, or says no, as a test tells it."""

import hashlib
import json
from datetime import UTC, datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from itertools import pairwise
from threading import Thread

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.api_core.exceptions import Forbidden
from ifs_bi_core.errors import ConfigError, IfsBiError, OutcomeUnknownError
from ifs_bi_core.singer.outgoing import BatchRefusedError
from target_looker_warehouse.warehouses.bigquery import BigQuery
from target_looker_warehouse.warehouses.bigquery_address import place
from target_looker_warehouse.warehouses.bigquery_errors import passes
from target_looker_warehouse.warehouses.bigquery_jobs import JOB_LIMIT_SECONDS, WAITS_SECONDS
from target_looker_warehouse.warehouses.bigquery_staging import INCOMING

LOST = None
"""An answer that never comes: the connection ends."""


def said(status, reason, message="no"):
    return status, {"error": {"code": status, "message": message, "errors": [{"reason": reason, "message": message}]}}


OVERLOADED = said(503, "backendError")
EXISTS = said(409, "duplicate", "Already Exists: Job")


FIELDS = [
    {"name": "Id", "type": "STRING", "mode": "REQUIRED"},
    {"name": "n", "type": "BIGNUMERIC", "precision": "38", "scale": "18"},
    {"name": "m", "type": "NUMERIC", "precision": "20", "scale": "2"},
    {"name": "at", "type": "TIMESTAMP"},
    {"name": "other", "type": "STRING"},
]
"""The columns of every table."""


class Server(ThreadingHTTPServer):
    """Answers a request about a job as told, and as BigQuery does where nothing is told."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server_port}"
        self.told = []
        """What to say to the next requests that begin a job or look at one; `...` is the ordinary answer."""
        self.begun = []
        self.given = {}
        """The first parameter of a statement of one parameter."""
        self.looked = []
        self.cancelled = []
        self.uploaded = []
        """What load jobs were asked for, and the files that came."""
        self.made = []
        """Tables of incoming rows."""
        self.left = {}
        """Tables of incoming rows that an earlier run made, with the sessions that they name."""
        self.removed = []
        self.results = {}
        """What became of a job: by a word of its statement, an error or a state."""

    def job(self, job_id, text):
        found = next((result for word, result in self.results.items() if word in text), "DONE")
        status = {"state": "DONE", "errorResult": found} if isinstance(found, dict) else {"state": found}
        return 200, {
            "jobReference": {"projectId": "test", "jobId": job_id, "location": "EU"},
            "configuration": {"query": {"query": text}},
            "statistics": {"sessionInfo": {"sessionId": "S"}, "query": {"numDmlAffectedRows": "3"}},
            "status": status,
        }


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer is one packet: the second one would wait for the client's word on the first

    def do_GET(self):
        *_, kind, name = self.path.partition("?")[0].split("/")
        if name == "tables":
            tables = [
                {"tableReference": {"projectId": "test", "datasetId": "erp", "tableId": left}}
                for left in self.server.left
            ]
            self.answer(200, {"tables": tables})
        elif kind == "tables":
            reference = {"projectId": "test", "datasetId": "erp", "tableId": name}
            more = {"description": self.server.left[name]} if name in self.server.left else {}
            self.answer(200, {"tableReference": reference, "schema": {"fields": FIELDS}} | more)
        elif kind == "datasets":
            self.answer(200, {"datasetReference": {"projectId": "test", "datasetId": name}, "location": "EU"})
        elif kind == "queries":
            self.answer(
                200,
                {"jobComplete": True, "schema": {"fields": []}, "jobReference": {"projectId": "test", "jobId": name}},
            )
        else:
            self.server.looked.append(name)
            self.tell(lambda: self.server.job(name, dict(self.server.begun)[name]))

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or "{}")
        if self.path.startswith("/upload/"):
            self.server.uploaded.append(body)
            self.answer(200, {}, Location=f"{self.server.endpoint}/upload/1")
            return
        if self.path.partition("?")[0].endswith("/tables"):
            self.server.made.append(body)
            self.answer(200, body)
            return
        if self.path.partition("?")[0].endswith("/cancel"):
            self.server.cancelled.append(self.path.split("/")[-2])
            self.answer(200, {"job": self.server.job(self.path.split("/")[-2], "")[1]})
            return
        job_id, text = body["jobReference"]["jobId"], body["configuration"]["query"]["query"]
        self.server.begun.append((job_id, text))
        if len(given := body["configuration"]["query"].get("queryParameters", ())) == 1:
            self.server.given[text] = given[0]["parameterValue"]["value"]
        self.tell(lambda: self.server.job(job_id, text))

    def do_PUT(self):
        self.server.uploaded.append(self.rfile.read(int(self.headers["Content-Length"])))
        job_id = self.server.uploaded[-2]["jobReference"]["jobId"]
        _, job = self.server.job(job_id, "")
        self.answer(200, job | {"configuration": self.server.uploaded[-2]["configuration"]})

    def do_DELETE(self):
        self.server.removed.append(self.path.partition("?")[0].split("/")[-1])
        self.answer(200, {})

    def tell(self, ordinary):
        told = self.server.told.pop(0) if self.server.told else ...
        if told is LOST:
            self.close_connection = True
        else:
            self.answer(*(ordinary() if told is ... else told))

    def answer(self, status, body, **headers):
        sent = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(sent)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(sent)

    def log_message(self, *_):
        pass


class Time:
    """A clock that goes on while somebody sleeps."""

    def __init__(self):
        self.now = 0.0
        self.slept = []

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def server():
    with Server() as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def connection(server, time):
    opened = BigQuery(place(f"bigquery://test/erp?api_endpoint={server.endpoint}"), lambda: time.now, time.sleep)
    yield opened
    server.told.clear()
    opened.close()


def write(connection, text="INSERT INTO `test`.`erp`.`t` (x) VALUES ($1)", parameters=("a",)):
    with connection.transaction("table 't'", "take a batch", refused=BatchRefusedError):
        return connection.write(text, parameters)


def texts(server):
    return [text for _, text in server.begun]


def test_a_transaction_is_begun_with_the_first_statement_that_writes_and_committed_behind_the_last(connection, server):
    with connection.transaction("table 't'", "take a batch"):
        connection.query("SELECT 2")
        assert connection.write("UPDATE `t` SET x = $1 WHERE y = $2", ["a", 5]) == 3
        connection.query("SELECT 3")
    with connection.transaction("table 't'", "be changed"):
        connection.define("CREATE TABLE `t` (x INT64)")
    assert texts(server) == [
        "SELECT 2",
        "SELECT 1",  # brings a session
        "BEGIN TRANSACTION",
        "UPDATE `t` SET x = @p1 WHERE y = @p2",
        "SELECT 3",
        "COMMIT TRANSACTION",
        "CREATE TABLE `t` (x INT64)",
    ]


def test_rows_go_by_one_load_job_into_a_table_with_the_types_of_the_one_they_are_for(connection, server):
    at = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
    number = Decimal("-12345678901234567890.123456789012345678")
    rows = pa.table(
        {
            "id": pa.array(["a"]),
            "n": pa.array([number], pa.decimal128(38, 18)),
            "m": pa.array([Decimal("0.01")], pa.decimal128(20, 2)),
            "at": pa.array([at], pa.timestamp("us", "UTC")),
        }
    )
    with connection.transaction("table 't'", "take a batch"), connection.staged(rows, "`test`.`erp`.`t`") as incoming:
        assert connection.write(f"INSERT INTO `t` SELECT * FROM {incoming}") == 3
    request, file = server.uploaded
    (made,) = server.made
    schema = [
        {"name": "id", "type": "STRING", "mode": "NULLABLE"},
        {"name": "n", "type": "BIGNUMERIC", "mode": "NULLABLE", "precision": 38, "scale": 18},
        {"name": "m", "type": "NUMERIC", "mode": "NULLABLE", "precision": 20, "scale": 2},
        {"name": "at", "type": "TIMESTAMP", "mode": "NULLABLE"},
    ]
    assert request["configuration"]["load"] == {
        "destinationTable": made["tableReference"],
        "sourceFormat": "PARQUET",
        "createDisposition": "CREATE_NEVER",
        "writeDisposition": "WRITE_EMPTY",
        "decimalTargetTypes": ["NUMERIC", "BIGNUMERIC"],
        "schema": {"fields": schema},
    }
    assert made["schema"]["fields"] == schema
    assert made["description"] == "S"  # the session, which the next run ends if this one dies
    left = int(made["expirationTime"]) / 1000 - datetime.now(UTC).timestamp()
    assert 23 * 3600 < left <= 24 * 3600
    assert request["jobReference"]["location"] == "EU"
    assert pq.read_table(BytesIO(file)).to_pylist() == rows.to_pylist()


def test_a_job_whose_answer_is_lost_is_asked_for_again_by_its_id_and_found(connection, server, time):
    server.told += [..., ..., LOST, EXISTS]  # the session, BEGIN, and the INSERT that arrived
    assert write(connection) == 3
    inserts = [job_id for job_id, text in server.begun if text.startswith("INSERT")]
    assert len(inserts) == 2
    assert len(set(inserts)) == 1
    assert server.looked == inserts[:1]
    assert time.slept == [WAITS_SECONDS[0]]
    assert len(set(dict(server.begun))) == len(server.begun) - 1  # every other job has an id of its own


def test_an_overloaded_server_is_asked_again_after_longer_and_longer_waits_and_not_for_ever(connection, server, time):
    server.told += [OVERLOADED] * (len(WAITS_SECONDS) + 1)
    with pytest.raises(IfsBiError, match=r"table 't' could not take a batch: no\. Nothing of it was done"):
        write(connection)
    assert time.slept == list(WAITS_SECONDS)
    assert all(first < then for first, then in pairwise(WAITS_SECONDS))
    server.told += [said(429, "rateLimitExceeded"), said(403, "rateLimitExceeded"), LOST]
    assert write(connection) == 3


def test_a_question_whose_job_fails_for_a_moment_is_asked_by_another_job(connection, server, time):
    server.results["SELECT 2"] = {"reason": "backendError", "message": "try again"}
    with pytest.raises(IfsBiError, match="try again"), connection.transaction("table 't'", "be read"):
        connection.query("SELECT 2")
    assert len(set(server.begun)) == len(WAITS_SECONDS) + 1
    assert time.slept == list(WAITS_SECONDS)


def test_a_statement_of_a_transaction_is_never_begun_again_because_the_transaction_is_gone(connection, server):
    server.results["INSERT"] = {"reason": "backendError", "message": "try again"}
    with pytest.raises(IfsBiError, match="try again"):
        write(connection)
    assert texts(server)[1:] == [
        "BEGIN TRANSACTION",
        "INSERT INTO `test`.`erp`.`t` (x) VALUES (@p1)",
        "ROLLBACK TRANSACTION",
    ]


@pytest.mark.parametrize(
    "told",
    [
        [LOST] * (len(WAITS_SECONDS) + 1),
        [OVERLOADED] * (len(WAITS_SECONDS) + 1),
    ],
    ids=["unanswered", "overloaded"],
)
def test_nobody_knows_what_became_of_a_commit_without_an_answer(connection, server, told):
    server.told += [..., ..., ..., *told]
    with pytest.raises(OutcomeUnknownError, match="nobody knows whether that was done"):
        write(connection)
    assert write(connection) == 3


def test_nobody_knows_what_became_of_a_commit_that_does_not_end(connection, server, time):
    server.results["COMMIT"] = "RUNNING"
    with pytest.raises(OutcomeUnknownError, match="has not ended within"):
        write(connection)
    assert JOB_LIMIT_SECONDS < time.now <= JOB_LIMIT_SECONDS + 60
    assert server.cancelled == [job_id for job_id, text in server.begun if text.startswith("COMMIT")]


def test_a_commit_that_is_refused_did_nothing(connection, server):
    server.results["COMMIT"] = {"reason": "invalidQuery", "message": "Transaction is aborted due to concurrent update"}
    with pytest.raises(IfsBiError, match=r"aborted due to concurrent update\. Nothing of it was done") as caught:
        write(connection)
    assert not isinstance(caught.value, OutcomeUnknownError)


@pytest.mark.parametrize(
    ("reason", "message", "error"),
    [
        ("accessDenied", "Access Denied: Table t", ConfigError),
        ("billingNotEnabled", "enable billing", ConfigError),
        ("invalidQuery", "Required field k cannot be null", BatchRefusedError),
        ("invalidQuery", "Numeric value out of range", BatchRefusedError),
        ("invalidQuery", "Syntax error: Unexpected identifier", IfsBiError),
        ("quotaExceeded", "Your project exceeded quota", IfsBiError),
        ("notFound", "Not found: Table t", IfsBiError),
    ],
)
def test_what_is_said_of_a_statement_tells_what_kind_of_error_it_is(connection, server, reason, message, error):
    server.results["INSERT"] = {"reason": reason, "message": message}
    with pytest.raises(IfsBiError, match=message) as caught:
        write(connection)
    assert type(caught.value) is error


def test_the_session_of_a_run_that_died_is_ended_before_its_table_is_written_to(connection, server):
    digest = hashlib.sha256(b"t").hexdigest()[:8]
    server.left = {
        f"{INCOMING}{digest}_00000000_7": "dead",
        f"{INCOMING}ffffffff_00000000_1": "of another stream",
        "t": "no",
    }
    server.results["ABORT"] = {"reason": "invalidQuery", "message": "it has ended by itself"}
    rows = pa.table({"id": pa.array(["a"])})
    for _ in range(2):
        with connection.transaction("table 't'", "take a batch"):
            connection.append("`test`.`erp`.`t`", rows)
    ended = [text for text in texts(server) if "ABORT" in text]
    assert ended == ["CALL BQ.ABORT_SESSION(@p1)"]
    assert texts(server).index(ended[0]) < texts(server).index("BEGIN TRANSACTION")
    assert server.given == {"CALL BQ.ABORT_SESSION(@p1)": "dead"}
    assert server.removed == [
        f"{INCOMING}{digest}_00000000_7",
        *(made["tableReference"]["tableId"] for made in server.made),
    ]


def test_a_session_that_has_ended_by_itself_is_followed_by_another(connection, server):
    write(connection)
    server.begun.clear()
    server.told += [said(400, "invalidQuery", "Session S is terminated")]
    assert write(connection) == 3
    assert texts(server)[:3] == ["BEGIN TRANSACTION", "SELECT 1", "BEGIN TRANSACTION"]


def test_a_rollback_that_can_not_be_asked_for_ends_the_session(connection, server):
    server.results["INSERT"] = {"reason": "invalidQuery", "message": "no"}
    server.told += [..., ..., ..., said(400, "invalidQuery", "no transaction")]
    with pytest.raises(IfsBiError):
        write(connection)
    assert texts(server)[-2:] == ["ROLLBACK TRANSACTION", "CALL BQ.ABORT_SESSION()"]
    del server.results["INSERT"]
    server.begun.clear()
    write(connection)
    assert texts(server)[0] == "SELECT 1"


def test_closing_ends_the_session_if_there_is_one(server):
    for writes in (False, True):
        opened = BigQuery(place(f"bigquery://test/erp?api_endpoint={server.endpoint}"))
        server.begun.clear()
        if writes:
            write(opened)
        opened.close()
        opened.close()
        assert ("CALL BQ.ABORT_SESSION()" in texts(server)) == writes


def test_no_server_is_a_sentence_after_bounded_waits(server, time):
    server.shutdown()
    server.server_close()
    found = place(f"bigquery://test/erp?api_endpoint={server.endpoint}")
    with pytest.raises(ConfigError, match=r"^BigQuery at bigquery://test/erp\S* can't be used: .*Nothing was sent\.$"):
        BigQuery(found, lambda: time.now, time.sleep)
    assert time.slept == list(WAITS_SECONDS)


def test_a_spent_quota_does_not_pass():
    assert not passes(Forbidden("no", errors=[{"reason": "quotaExceeded"}]))
    assert passes(Forbidden("no", errors=[{"reason": "rateLimitExceeded"}]))
