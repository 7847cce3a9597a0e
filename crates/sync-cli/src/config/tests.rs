use std::fs;

use super::*;

const KNOWN: &[(&str, &[&str])] = &[("mailchimp", &["api", "login"])];

fn known() -> Vec<(&'static str, Vec<&'static str>)> {
    KNOWN.iter().map(|(id, endpoints)| (*id, endpoints.to_vec())).collect()
}

fn load(text: &str, env: &[(&str, &str)], flags: Flags) -> Result<(tempfile::TempDir, Config)> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("syncctl.toml");
    fs::write(&path, text).unwrap();
    fs::write(dir.path().join("secret.txt"), "hush\n").unwrap();
    let env = |name: &str| env.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
    let config = Config::load(Flags { config: Some(path), ..flags }, &env, &known())?;
    Ok((dir, config))
}

#[test]
fn names_in_the_file_are_meant_from_where_it_is() {
    let (dir, config) = load("database = \"shop.db\"\norganization = \"blue-manta\"", &[], Flags::default()).unwrap();
    assert!(matches!(&config.database, Database::File(path) if *path == dir.path().join("shop.db")));
    assert!(matches!(config.key, KeySource::File(path) if path == dir.path().join("sync.key")));
    assert_eq!(config.organization.unwrap().as_str(), "blue-manta");
}

#[test]
fn the_environment_overrules_the_file_and_the_command_line_both() {
    let file = "database = \"a.db\"\norganization = \"a\"\nkey_file = \"a.key\"";
    let env = [("SYNCCTL_DATABASE", "b.db"), ("SYNCCTL_ORG", "b"), ("SYNCCTL_KEY", "00")];
    let (_dir, config) = load(file, &env, Flags::default()).unwrap();
    assert!(matches!(&config.database, Database::File(path) if path == Path::new("b.db")));
    assert_eq!(config.organization().unwrap().as_str(), "b");
    assert!(matches!(config.key, KeySource::Environment(_)));
    let flags = Flags {
        database: Some("c.db".into()),
        organization: Some("c".into()),
        key_file: Some("c.key".into()),
        ..Flags::default()
    };
    let (_dir, config) = load(file, &env, flags).unwrap();
    assert!(matches!(&config.database, Database::File(path) if path == Path::new("c.db")));
    assert_eq!(config.organization().unwrap().as_str(), "c");
    assert!(matches!(config.key, KeySource::File(path) if path == Path::new("c.key")));
}

#[test]
fn an_address_comes_from_the_file_one_of_its_own_or_the_environment() {
    let file = "database = \"postgres://shop@db.example.com/shop\"\nschema = \"mine\"";
    let (dir, config) = load(file, &[], Flags::default()).unwrap();
    assert!(matches!(&config.database, Database::Postgres { schema: Some(schema), .. } if schema == "mine"));
    assert!(matches!(&config.key, KeySource::File(path) if *path == dir.path().join("sync.key")));
    let env = [("SYNCCTL_DATABASE", "postgres://shop:hush@db.example.com/shop"), ("SYNCCTL_SCHEMA", "other")];
    let (_dir, config) = load(file, &env, Flags::default()).unwrap();
    assert!(matches!(&config.database, Database::Postgres { schema: Some(schema), .. } if schema == "other"));
    assert!(!format!("{config:?}").contains("hush"));
    // The file of the client's secret holds no address, and stands for one that names a file.
    let (_dir, config) = load("database_file = \"secret.txt\"", &[], Flags::default()).unwrap();
    assert!(matches!(&config.database, Database::File(path) if path == Path::new("hush")));
    let error = load("database = \"postgres://shop:hush@db.example.com/shop\"", &[], Flags::default()).unwrap_err();
    assert!(error.message().contains("syncctl.toml") && !format!("{error:?}").contains("hush"), "{error}");
}

#[test]
fn base_urls_clients_and_numbers_are_read() {
    let file = r#"
        limits = "off"
        [engine]
        settle_s = 1
        breaker_count = 7
        [retention]
        plans_days = 1
        outcomes_days = 2
        facts_days = 3
        [providers.mailchimp.endpoints]
        api = "http://127.0.0.1:9100/3.0"
        [providers.mailchimp.oauth]
        client_id = "123"
        client_secret_file = "secret.txt"
        [providers.mailchimp.settings]
        page_size = 10
    "#;
    let env = [("SYNCCTL_MAILCHIMP_LOGIN_URL", "http://127.0.0.1:9100/login")];
    let (_dir, config) = load(file, &env, Flags::default()).unwrap();
    let provider = &config.providers["mailchimp"];
    assert_eq!(provider.endpoints["api"].as_str(), "http://127.0.0.1:9100/3.0");
    assert_eq!(provider.endpoints["login"].as_str(), "http://127.0.0.1:9100/login");
    assert_eq!(provider.oauth.as_ref().unwrap().id(), "123");
    assert_eq!(provider.settings["page_size"], 10);
    assert_eq!(config.engine.settle, Some(Duration::from_secs(1)));
    assert_eq!((config.engine.breaker.count, config.engine.breaker.share_percent), (7, 25));
    assert_eq!(config.retention.outcomes_days, 2);
    assert!(matches!(config.limits, Limits::Off));
    assert!(!format!("{config:?}").contains("hush"));
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    let error = load("database = \"a\"\ndatabse = 1", &[], Flags::default()).unwrap_err();
    assert!(error.message().contains("line 2") && error.message().contains("databse"), "{error}");
    let error = load("[providers.mailchump]", &[], Flags::default()).unwrap_err();
    assert!(error.remedy().unwrap().contains("mailchimp"), "{error}");
    let error = load("[providers.mailchimp.endpoints]\napi = \"nope\"", &[], Flags::default()).unwrap_err();
    assert!(error.message().contains("providers.mailchimp.endpoints.api"), "{error}");
    let error = load("", &[("SYNCCTL_MAILCHIMP_CLIENT_ID", "1")], Flags::default()).unwrap_err();
    assert!(error.message().contains("SYNCCTL_MAILCHIMP_CLIENT_SECRET"), "{error}");
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let flags = Flags { config: Some("/nowhere/syncctl.toml".into()), ..Flags::default() };
    assert_eq!(Config::load(flags, &|_| None, &known()).unwrap_err().kind(), ErrorKind::Config);
}

#[test]
fn an_organization_must_be_named() {
    let (_dir, config) = load("", &[], Flags::default()).unwrap();
    assert!(config.organization().unwrap_err().remedy().unwrap().contains("--org"));
}

#[test]
fn a_missing_key_is_made_only_with_a_new_database() {
    let dir = tempfile::tempdir().unwrap();
    let key = KeySource::File(dir.path().join("sync.key"));
    assert_eq!(key.load(false).unwrap_err().kind(), ErrorKind::Config);
    key.load(true).unwrap();
    key.load(false).unwrap();
    assert!(!format!("{:?}", KeySource::Environment(SecretString::from("hush"))).contains("hush"));
}
