"""Settings: read from variables and files, bounded, and never a secret in an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from scheduler.errors import SettingsError
from scheduler.settings import PLACEHOLDERS, Settings, check_exposure, load_settings

GOOD = "a-long-and-random-secret"


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("DATABASE_URL", "HOST", "PORT", "CRON_SECRET", "ADMIN_SECRET", "PUBLIC_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SECRETS_DIR", str(tmp_path / "none"))
    monkeypatch.chdir(tmp_path)


def test_defaults_listen_on_loopback() -> None:
    settings = load_settings()
    assert (settings.host, settings.port) == ("127.0.0.1", 3003)
    check_exposure(settings)


def test_secrets_come_from_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "cron_secret").write_text(f"{GOOD}\n")
    monkeypatch.setenv("SECRETS_DIR", str(tmp_path / "secrets"))
    secret = load_settings().cron_secret
    assert secret is not None
    assert secret.get_secret_value() == GOOD


def test_bad_settings_are_all_named_and_their_values_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PORT", "70000")
    monkeypatch.setenv("DATABASE_URL", "mysql://user:hunter2@db/x")
    monkeypatch.setenv("TRUSTED_PROXIES", "10.0.0.0/8, nonsense")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    text = str(caught.value)
    assert "PORT" in text
    assert "DATABASE_URL: must begin with postgresql://" in text
    assert "TRUSTED_PROXIES" in text
    assert "hunter2" not in text


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.com"])
def test_no_other_address_without_a_secret(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("HOST", host)
    with pytest.raises(SettingsError, match="set CRON_SECRET"):
        check_exposure(load_settings())


@pytest.mark.parametrize(
    "secret", ["short", *sorted(PLACEHOLDERS), "YOUR_CRON_SECRET", "<your-cron-secret-here>"]
)
def test_no_other_address_with_an_easy_secret(monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    monkeypatch.setenv("HOST", "0.0.0.0")
    monkeypatch.setenv("CRON_SECRET", secret)
    with pytest.raises(SettingsError) as caught:
        check_exposure(load_settings())
    assert f"'{secret}'" not in str(caught.value)


def test_a_real_secret_opens_every_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOST", "0.0.0.0")
    monkeypatch.setenv("CRON_SECRET", GOOD)
    check_exposure(load_settings())
    monkeypatch.setenv("ADMIN_SECRET", "changeme")
    with pytest.raises(SettingsError, match="ADMIN_SECRET"):
        check_exposure(load_settings())


def test_a_secret_must_fit_into_a_header(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRON_SECRET", "with spaces and more")
    with pytest.raises(SettingsError, match="printable ASCII"):
        check_exposure(load_settings())


def test_every_setting_is_in_the_readme() -> None:
    readme = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    for name, field in Settings.model_fields.items():
        variable = str(field.validation_alias or name).upper()
        assert f"`{variable}`" in readme


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:hunter2@127.0.0.1:abc/y",
        "postgresql://u:hunter2@[x/y",
        "postgresql://u:hunter2@host:99999/y",
        "postgresql://u:hunter2@a:1,b:x/y",
        "postgresql://u:hunter2@ho st/y",
    ],
)
def test_a_database_url_that_leads_nowhere_is_refused(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    with pytest.raises(SettingsError, match="DATABASE_URL: must be postgresql://user") as caught:
        load_settings()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:p%40ss@db.example.com:5432/y?sslmode=require",
        "postgres://db/y",
        "postgresql:///y?host=/var/run/postgresql",
        "postgresql://u@%2Fvar%2Frun/y",
        "postgresql://a:1,b:2/y",
        "postgresql://[::1]:5432/y",
    ],
)
def test_a_database_url_may_have_every_form_of_the_library(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    assert load_settings().database_url is not None


def test_a_number_out_of_bounds_says_both_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "abc")
    monkeypatch.setenv("DRAIN_SECONDS", "nan")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert caught.value.problems == (
        ("PORT", "must be a number from 0 to 65535"),
        ("DRAIN_SECONDS", "must be a number from 0 to 3600"),
    )
