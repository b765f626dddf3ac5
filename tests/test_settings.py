"""Settings: read from variables and files, bounded, and never a secret in an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from scheduler.errors import SettingsError, VariableError
from scheduler.services import Mail, Webhooks
from scheduler.settings import PLACEHOLDERS, Settings, check_exposure, load_settings, variable

GOOD = "a-long-and-random-secret"


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, field in Settings.model_fields.items():
        monkeypatch.delenv(str(field.validation_alias or name).upper(), raising=False)
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


def test_without_settings_nothing_outside_is_reached() -> None:
    services = load_settings().services
    assert (services.mailerlite, services.mailchimp, services.brevo) == (None, None, None)
    assert services.mail == Mail(folder=Path("data/mail"))
    assert services.webhooks == Webhooks()


def test_a_provider_is_on_when_its_keys_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILERLITE_API_KEY", "m" * 20)
    monkeypatch.setenv("MAILCHIMP_API_KEY", "0123456789abcdef-us21")
    monkeypatch.setenv("MAILCHIMP_LIST_ID", "a1b2c3")
    monkeypatch.setenv("BREVO_API_KEY", "xkeysib-1")
    monkeypatch.setenv("BREVO_LIST_ID", "7")
    services = load_settings().services
    assert services.mailchimp is not None
    assert services.mailchimp.api_url == "https://us21.api.mailchimp.com"
    assert services.mailerlite is not None
    assert services.mailerlite.api_url == "https://connect.mailerlite.com"
    assert services.brevo is not None
    assert (services.brevo.list_id, services.brevo.api_url) == (7, "https://api.brevo.com")
    assert "0123456789abcdef" not in repr(services)
    monkeypatch.setenv("NEWSLETTER_PROVIDER", "brevo")
    services = load_settings().services
    assert (services.mailerlite, services.mailchimp) == (None, None)
    assert services.brevo is not None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"MAILCHIMP_API_KEY": "k-us21"}, "MAILCHIMP_LIST_ID: must be set"),
        (
            {"MAILCHIMP_API_KEY": "secretkey", "MAILCHIMP_LIST_ID": "a"},
            "MAILCHIMP_SERVER_PREFIX: must be set",
        ),
        ({"MAILCHIMP_SERVER_PREFIX": "evil.example/"}, "MAILCHIMP_SERVER_PREFIX: "),
        ({"BREVO_API_KEY": "secretkey"}, "BREVO_LIST_ID: must be set"),
        ({"SMTP_URL": "http://user:secretkey@mail"}, "SMTP_URL: must be smtp://"),
        ({"BREVO_API_URL": "ftp://x"}, "BREVO_API_URL: must be an http://"),
        ({"NEWSLETTER_PROVIDER": "pigeon"}, "NEWSLETTER_PROVIDER: must be 'mailerlite'"),
    ],
)
def test_half_a_provider_is_refused(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], said: str
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert str(caught.value).startswith(said)
    assert "secretkey" not in str(caught.value)


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


@pytest.mark.parametrize(
    "address",
    [
        *("ftp://a", "a.example", "http://", "http://a:99999", "http://a:0", "http://[::1"),
        *("https://a/?x=1", "https://a/#x", "https://user:hunter2@a"),
    ],
)
def test_an_address_that_nothing_can_be_put_behind_is_refused(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("GITHUB_API_URL", address)
    with pytest.raises(SettingsError, match="GITHUB_API_URL: must be an http") as caught:
        load_settings()
    assert "hunter2" not in str(caught.value)


def test_an_address_loses_its_last_slash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_API_URL", "https://git.example.com:8443/api/v3/")
    assert load_settings().services.github.api_url == "https://git.example.com:8443/api/v3"


def test_a_token_is_what_fits_into_a_header(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", " ghp_abc\r\n")
    monkeypatch.setenv("GITHUB_WRITE_TOKEN", " ")
    github = load_settings().services.github
    assert github.token is not None
    assert github.token.get_secret_value() == "ghp_abc"
    assert (github.write_token, github.configured) == (None, True)
    for wrong in ("ghp a", "ghp_\nx: y", "gh\N{LATIN SMALL LETTER O WITH DIAERESIS}"):
        monkeypatch.setenv("GITHUB_TOKEN", wrong)
        with pytest.raises(SettingsError, match="GITHUB_TOKEN: may hold only printable") as caught:
            load_settings()
        assert wrong not in str(caught.value)


def test_a_variable_comes_from_where_settings_come_from(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "secrets").mkdir()
    monkeypatch.setenv("SECRETS_DIR", str(tmp_path / "secrets"))
    read = load_settings().services.variable
    for said in ("is not set", "in the file report_token of the secrets directory"):
        with pytest.raises(VariableError, match=said):
            read("REPORT_TOKEN")
    (tmp_path / "secrets" / "report_token").write_text("from a file\n")
    assert read("REPORT_TOKEN").get_secret_value() == "from a file"
    (tmp_path / "secrets" / "report_token").write_text("exchanged")
    assert read("REPORT_TOKEN").get_secret_value() == "exchanged"
    (tmp_path / ".env").write_text("REPORT_TOKEN=from .env\n")
    assert read("REPORT_TOKEN").get_secret_value() == "from .env"
    monkeypatch.setenv("REPORT_TOKEN", "from the environment")
    assert read("REPORT_TOKEN").get_secret_value() == "from the environment"
    monkeypatch.setenv("CRON_SECRET", GOOD)
    assert read("CRON_SECRET").get_secret_value() == GOOD


@pytest.mark.parametrize(
    "name",
    [
        *("ADMIN_SECRET", "admin_secret", "DATABASE_URL", "PGPASSWORD", "ENCRYPTION_KEY"),
        *("GITHUB_TOKEN", "GITHUB_APP_PRIVATE_KEY", "OPENAI_API_KEY", "SMTP_URL"),
        *("UNSUBSCRIBE_KEY", "WEBHOOK_SIGNING_KEY", "CRON_SECRET_PREVIOUS", "BREVO_API_KEY"),
    ],
)
def test_secrets_of_lamplighters_own_are_no_variables(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "hunter2")
    with pytest.raises(VariableError, match="secret of lamplighter's own") as caught:
        variable(name)
    assert "hunter2" not in str(caught.value)


def test_an_empty_or_unreadable_variable_is_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REPORT_TOKEN", "")
    with pytest.raises(VariableError, match="is not set"):
        variable("REPORT_TOKEN")
    (tmp_path / "report_token").write_bytes(b"\xff\xfe")
    monkeypatch.setenv("SECRETS_DIR", str(tmp_path))
    with pytest.raises(VariableError, match="cannot be read"):
        variable("REPORT_TOKEN")


def test_channels_of_alerts_are_told_apart_by_their_schemes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = "mailto://u:pw@mail.test?to=a@mail.test,b@mail.test, slack://A/B/C\n json://h\n"
    (tmp_path / "alert_urls").write_text(text, encoding="utf-8")
    monkeypatch.setenv("SECRETS_DIR", str(tmp_path))
    found = load_settings()
    assert [url.get_secret_value() for url in found.alert_urls] == [
        "mailto://u:pw@mail.test?to=a@mail.test,b@mail.test",
        "slack://A/B/C",
        "json://h",
    ]
    assert "pw@mail" not in repr(found)


@pytest.mark.parametrize("text", ["hunter2", "slack:hunter2/B", "hunter2, slack://A/B/C"])
def test_what_is_no_address_of_a_channel_is_refused_without_repeating_it(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("ALERT_URLS", text)
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert "ALERT_URLS: must be Apprise URLs" in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_hosts_of_switches_are_read_in_lower_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PING_HOSTS", "Checks.internal:8000, localhost")
    assert load_settings().ping_hosts == ("checks.internal:8000", "localhost")


@pytest.mark.parametrize("name", ["PING_HOSTS", "WEBHOOK_HOSTS"])
@pytest.mark.parametrize("host", ["https://hooks.example.com", "a.example/x", "a b", "a:99999"])
def test_what_is_no_host_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, host: str) -> None:
    monkeypatch.setenv(name, f"hooks.example.com, [::1]:8000, {host}")
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert f"{name}: {host!r} is no host such as" in str(refused.value)
