//! Looking at the connection, and choices.

use serde_json::Value;
use sync_core::{Check, Choices, Connection, ErrorKind};

use crate::conformance::{
    Harness, Verdict,
    bench::{Allow, Bench, connection},
};

async fn opened(harness: &dyn Harness) -> Bench<'_> {
    Bench::opened(harness, connection(harness), Allow::Nothing).await
}

pub(super) async fn the_account_comes_first_and_costs_few_calls(harness: &dyn Harness) -> Verdict {
    let bench = opened(harness).await;
    let checked = bench.handler.check(&bench.context(), Check::Account).await.expect("it can be asked");
    assert_eq!(checked.accounts.first().map(|(id, _)| id), Some(&harness.account()));
    assert!(checked.problems.is_empty(), "only the account was asked for");
    assert!((1..=2).contains(&bench.n_sent()), "{} calls", bench.n_sent());
    assert_eq!(bench.n_writes(), 0);
    Verdict::Held
}

pub(super) async fn the_account_is_told_without_account_and_without_settings(harness: &dyn Harness) -> Verdict {
    let bare = || Connection::new("conformance".into(), Value::Null).with_vars(harness.vars());
    if harness.integration().open(bare()).is_err() {
        return Verdict::Spared("the connection can't be opened without settings");
    }
    let bench = Bench::opened(harness, bare(), Allow::Nothing).await;
    let checked = bench.handler.check(&bench.context(), Check::Account).await.expect("it can be asked");
    assert!(checked.accounts.iter().any(|(id, name)| *id == harness.account() && !name.is_empty()));
    Verdict::Held
}

pub(super) async fn settings_that_fit_have_no_problems(harness: &dyn Harness) -> Verdict {
    let bench = opened(harness).await;
    let checked = bench.handler.check(&bench.context(), Check::Settings).await.expect("it can be asked");
    assert!(checked.problems.is_empty(), "{:?}", checked.problems);
    assert_eq!(bench.n_writes(), 0, "looking changes nothing");
    let again = bench.handler.check(&bench.context(), Check::Settings).await.expect("it can be asked");
    assert_eq!(checked.facts, again.facts, "the same world tells the same facts");
    Verdict::Held
}

pub(super) async fn settings_that_are_missing_are_a_problem_and_no_error(harness: &dyn Harness) -> Verdict {
    let schema = harness.integration().settings_schema();
    if schema["required"].as_array().is_none_or(Vec::is_empty) {
        return Verdict::Spared("no setting is required");
    }
    let bare = Connection::new("conformance".into(), Value::Null).with_account(Some(harness.account()));
    let bare = bare.with_vars(harness.vars());
    if harness.integration().open(bare.clone()).is_err() {
        return Verdict::Spared("the connection can't be opened without settings");
    }
    let bench = Bench::opened(harness, bare, Allow::Nothing).await;
    let checked = bench.handler.check(&bench.context(), Check::Settings).await.expect("it can be asked");
    let problem = checked.problems.first().expect("a problem");
    assert!(!problem.setting.is_empty() && !problem.message.is_empty() && !problem.remedy.is_empty());
    Verdict::Held
}

pub(super) async fn a_choice_that_has_gone_is_one_problem(harness: &dyn Harness) -> Verdict {
    let bench = opened(harness).await;
    if !harness.withdraw_choice().await {
        return Verdict::Spared("settings name nothing that can go");
    }
    let checked = bench.handler.check(&bench.context(), Check::Settings).await.expect("it is a problem, not an error");
    assert_eq!(checked.problems.len(), 1, "{:?}", checked.problems);
    assert!(!checked.problems[0].remedy.is_empty());
    let schema = harness.integration().settings_schema();
    let setting = checked.problems[0].setting.split('.').next().unwrap_or_default().to_owned();
    assert!(schema["properties"].get(&setting).is_some(), "{setting} is no setting");
    Verdict::Held
}

/// The words of `x-choices`, wherever they are in the schema.
fn words(schema: &Value, words: &mut Vec<String>) {
    match schema {
        Value::Object(members) => {
            for (name, member) in members {
                match (name.as_str(), member) {
                    ("x-choices", Value::String(word)) => words.push(word.clone()),
                    _ => self::words(member, words),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| self::words(item, words)),
        _ => {}
    }
}

pub(super) async fn every_word_of_the_schema_has_choices(harness: &dyn Harness) -> Verdict {
    let bench = opened(harness).await;
    let mut of = Vec::new();
    words(&harness.integration().settings_schema(), &mut of);
    if of.is_empty() {
        return Verdict::Spared("no setting names anything there");
    }
    for word in of {
        let choices = bench.handler.choices(&bench.context(), Choices::new(&word, None)).await;
        let choices = choices.unwrap_or_else(|error| panic!("{word}: {error}"));
        let mut values: Vec<&str> = choices.iter().map(|choice| choice.value.as_str()).collect();
        assert!(choices.iter().all(|choice| !choice.value.is_empty() && !choice.label.is_empty()), "{word}");
        values.sort_unstable();
        values.dedup();
        assert_eq!(values.len(), choices.len(), "{word}: a value comes twice");
        assert!(choices.iter().filter(|choice| choice.default).count() <= 1, "{word} has several defaults");
    }
    assert_eq!(bench.n_writes(), 0, "looking changes nothing");
    Verdict::Held
}

pub(super) async fn the_settings_in_use_are_among_the_choices(harness: &dyn Harness) -> Verdict {
    let bench = opened(harness).await;
    let schema = harness.integration().settings_schema();
    let settings = harness.settings();
    let mut n_seen = 0;
    for (name, property) in schema["properties"].as_object().expect("properties") {
        let (Some(word), Some(value)) = (property["x-choices"].as_str(), settings[name].as_str()) else { continue };
        let choices = bench.handler.choices(&bench.context(), Choices::new(word, None)).await.expect("choices");
        assert!(choices.iter().any(|choice| choice.value == value), "{name}");
        n_seen += 1;
    }
    if n_seen == 0 { Verdict::Spared("no setting names one thing there") } else { Verdict::Held }
}

pub(super) async fn a_query_narrows_choices_whatever_its_case(harness: &dyn Harness) -> Verdict {
    let bench = opened(harness).await;
    let mut of = Vec::new();
    words(&harness.integration().settings_schema(), &mut of);
    for word in of {
        let all = bench.handler.choices(&bench.context(), Choices::new(&word, None)).await.expect("choices");
        let Some(first) = all.first() else { continue };
        let query = first.label.to_uppercase();
        let some = bench.handler.choices(&bench.context(), Choices::new(&word, Some(&query))).await.expect("choices");
        assert!(some.contains(first), "{word}");
        let none = bench.handler.choices(&bench.context(), Choices::new(&word, Some("no such label"))).await;
        assert_eq!(none.expect("choices"), [], "{word}");
        return Verdict::Held;
    }
    Verdict::Spared("no setting names anything there")
}

pub(super) async fn choices_of_an_unknown_word_are_not_found(harness: &dyn Harness) -> Verdict {
    let bench = opened(harness).await;
    let error = bench.handler.choices(&bench.context(), Choices::new("no-such-word", None)).await.expect_err("an error");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(bench.n_sent(), 0);
    Verdict::Held
}
