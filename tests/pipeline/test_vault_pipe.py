"""A pipe whose secrets lie sealed: nothing on disk holds them in plain text."""

from pipeline.source import OF_EACH_KIND


def test_a_run_with_sealed_secrets_leaves_none_of_them_on_disk(pipeline, run):
    pipeline.tap_settings["streams"] = OF_EACH_KIND
    secrets = {}
    for name, settings in (("ifs", pipeline.tap_settings), ("microsoft", pipeline.powerbi_settings)):
        secrets[name] = settings["client_secret"]
        assert run("ifs-bi", "vault", "set", name, given=secrets[name].encode(), cwd=pipeline.folder).code == 0
        settings["client_secret"] = f"vault:{name}"
    pipeline.pump()
    assert pipeline.load_powerbi(pipeline.extract().out).code == 0
    assert pipeline.differing(OF_EACH_KIND) == []
    files = [path.read_bytes() for path in pipeline.folder.rglob("*") if path.is_file()]
    assert not any(secret.encode() in content for secret in secrets.values() for content in files)


def test_a_name_that_the_vault_does_not_hold_is_told_with_those_that_it_holds(pipeline, run):
    run("ifs-bi", "vault", "set", "ifs", given=b"sealed-secret", cwd=pipeline.folder)
    pipeline.tap_settings["client_secret"] = "vault:isf"
    ran = pipeline.extract()
    assert ran.code == 2
    assert "isf" in ran.err
    assert "ifs" in ran.err.splitlines()[-1]
    assert "Traceback" not in ran.err
