//! Opening a connection, and what its settings decide.

use serde_json::{Value, json};
use sync_core::{Connection, Error, ErrorKind, Opened, Owner};

use crate::conformance::{
    Harness, Verdict,
    bench::{Allow, Bench, connection},
};

fn open(harness: &dyn Harness, settings: Value) -> Result<Opened, Error> {
    let connection =
        Connection::new("conformance".into(), settings).with_account(Some(harness.account())).with_vars(harness.vars());
    harness.integration().open(connection)
}

fn with(harness: &dyn Harness, name: &str, value: Value) -> Value {
    let mut settings = harness.settings();
    settings[name] = value;
    settings
}

pub(super) async fn a_setting_that_is_unknown_is_refused_by_its_name(harness: &dyn Harness) -> Verdict {
    let error = open(harness, with(harness, "no_such_setting", json!(1))).expect_err("it is refused");
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("no_such_setting"), "{error}");
    assert!(error.remedy().is_some() && error.owner() != Owner::Nobody);
    Verdict::Held
}

pub(super) async fn a_setting_of_the_wrong_type_is_refused_by_its_name(harness: &dyn Harness) -> Verdict {
    let schema = harness.integration().settings_schema();
    for (name, property) in schema["properties"].as_object().expect("properties") {
        let wrong = match property["type"].as_str() {
            Some("string") => json!({"a": 1}),
            Some("boolean" | "integer" | "number") => json!("neither"),
            Some("array") => json!({"a": 1}),
            Some("object") => json!([1]),
            _ => continue,
        };
        let error = open(harness, with(harness, name, wrong)).err();
        let error = error.unwrap_or_else(|| panic!("{name} takes a value of the wrong type"));
        assert_eq!(error.kind(), ErrorKind::Config, "{name}");
        assert!(error.to_string().contains(name.as_str()), "{name}: {error}");
    }
    Verdict::Held
}

pub(super) async fn a_setting_with_choices_of_its_own_takes_no_other(harness: &dyn Harness) -> Verdict {
    let schema = harness.integration().settings_schema();
    let mut n_seen = 0;
    for (name, property) in schema["properties"].as_object().expect("properties") {
        let Some(values) = property["enum"].as_array() else { continue };
        n_seen += 1;
        for value in values {
            open(harness, with(harness, name, value.clone())).unwrap_or_else(|error| panic!("{name} = {value}: {error}"));
        }
        let error = open(harness, with(harness, name, json!("no-such-value"))).err();
        let error = error.unwrap_or_else(|| panic!("{name} takes a value that the schema does not list"));
        assert_eq!(error.kind(), ErrorKind::Config, "{name}");
    }
    if n_seen == 0 { Verdict::Spared("no setting has a list of values") } else { Verdict::Held }
}

pub(super) async fn no_settings_at_all_open_or_are_refused_and_never_panic(harness: &dyn Harness) -> Verdict {
    for settings in [Value::Null, json!({})] {
        if let Err(error) = open(harness, settings) {
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.remedy().is_some());
        }
    }
    for settings in [json!([]), json!("x"), json!(1)] {
        assert_eq!(open(harness, settings).err().map(|error| error.kind()), Some(ErrorKind::Config));
    }
    Verdict::Held
}

pub(super) async fn rules_ask_for_known_fields_and_for_those_that_they_go_by(harness: &dyn Harness) -> Verdict {
    let bench = Bench::opened(harness, connection(harness), Allow::Nothing).await;
    for resource in bench.resources() {
        let rules = bench.handler.rules(&resource.name);
        assert!(!rules.fields.is_empty(), "{} maps nothing", resource.name);
        for field in &rules.match_on {
            assert!(rules.fields.contains(field), "{} goes by {field} and does not ask for it", resource.name);
        }
        if let Some((_, consent, address)) = resource.consent {
            assert!(rules.fields.contains(consent) && rules.fields.contains(address), "{}", resource.name);
        }
        if let Some(filter) = &rules.filter {
            assert!(rules.fields.contains(&filter.field));
        }
        for (field, _) in harness.record(resource, 0).iter() {
            assert!(rules.fields.contains(field), "the harness's record has {field}, which is not mapped");
        }
        let again = bench.handler.rules(&resource.name);
        assert_eq!((&again.fields, &again.mapping), (&rules.fields, &rules.mapping), "rules are pure");
    }
    Verdict::Held
}

pub(super) async fn other_settings_of_a_mapping_have_another_digest(harness: &dyn Harness) -> Verdict {
    let bench = Bench::opened(harness, connection(harness), Allow::Nothing).await;
    for resource in bench.resources() {
        if bench.handler.rules(&resource.name).mapping.is_empty() {
            return Verdict::Spared("no setting decides how the same fields look there");
        }
        let same = Bench::opened(harness, connection(harness), Allow::Nothing).await;
        let digests = [&bench, &same].map(|bench| bench.handler.rules(&resource.name).mapping);
        assert_eq!(digests[0], digests[1], "the same settings have the same digest");
    }
    Verdict::Held
}

pub(super) async fn targets_and_containers_are_pure_and_agree(harness: &dyn Harness) -> Verdict {
    let bench = Bench::opened(harness, connection(harness), Allow::Nothing).await;
    for resource in bench.resources() {
        let record = harness.record(resource, 0);
        let target = bench.handler.target(&resource.name, &record);
        assert_eq!(target, bench.handler.target(&resource.name, &record));
        let Some(feed) = bench.feed(resource) else { continue };
        let containers = bench.handler.containers(feed);
        assert_eq!(containers, bench.handler.containers(feed));
        assert!(!containers.is_empty(), "the feed {} is never read", feed.name);
        assert!(containers.contains(&target.container), "{} go where no feed is read", resource.name);
    }
    assert_eq!(bench.n_sent(), 0, "nothing is sent for that");
    Verdict::Held
}
